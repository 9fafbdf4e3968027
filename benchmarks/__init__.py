"""One file per claim; each prints what it measured, beside a named peer where there is one."""

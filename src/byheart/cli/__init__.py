"""The command line: arguments in, one call, result out; no logic. One module a command.

Results go to stdout, progress and messages to stderr. Exit status: 0 done; 1 the condition of
--fail-on holds, or `verify` found a difference; 2 bad usage or input; 3 internal error; 130
interrupted.
"""

from byheart.cli.app import app, main, run

__all__ = ["app", "main", "run"]

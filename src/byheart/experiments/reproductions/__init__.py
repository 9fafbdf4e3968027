"""The experiments of papers beside what is measured: `byheart reproduce NAME` runs NAME."""

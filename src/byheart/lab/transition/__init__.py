"""Where memorization stops and where quality begins, from the records of a sweep."""

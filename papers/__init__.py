"""The experiments of neighbouring papers beside what is measured: `python -m papers NAME`."""

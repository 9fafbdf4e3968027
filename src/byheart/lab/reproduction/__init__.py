"""The experiments of arXiv 2411.17807 beside what is measured, and what reproductions share."""

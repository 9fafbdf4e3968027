"""The audit: three sets of samples in, one verdict with exact error control out."""

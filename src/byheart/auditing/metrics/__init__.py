"""What stands beside the verdict and decides nothing."""

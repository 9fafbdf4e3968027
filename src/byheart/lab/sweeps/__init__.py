"""A plan, its trials, the engines that run them, and the store that keeps them."""

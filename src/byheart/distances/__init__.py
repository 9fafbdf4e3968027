"""Exact distances between sets of points, and sums over them."""

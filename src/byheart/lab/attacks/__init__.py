"""Attacks on one's own model: how much of its training set can be extracted."""

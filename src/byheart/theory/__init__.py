"""Closed forms for the transition from memorization to generalization; numpy and scipy only."""

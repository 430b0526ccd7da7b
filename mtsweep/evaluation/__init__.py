"""Scoring: translate the test set, and say how good and how well-behaved the outputs are."""

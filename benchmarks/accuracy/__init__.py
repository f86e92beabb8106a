"""Benchmarks of accuracy, counted as a user pays."""

"""Benchmarks of accuracy: what is found, and how often it is right."""

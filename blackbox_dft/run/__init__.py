"""One run: its configuration, budget, course, result and record."""

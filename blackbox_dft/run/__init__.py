"""One run: configuration, budget, phases, result, and the files that keep them."""

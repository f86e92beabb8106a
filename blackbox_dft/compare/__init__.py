"""Many ways to tune the same model on the same images, measured side by side: grid, cost, runs, results."""

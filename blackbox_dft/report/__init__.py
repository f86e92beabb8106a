"""Reports for people: the verdict in words, pages and pictures of runs and comparisons."""

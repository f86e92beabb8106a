"""The result put to work: the tuning, changed images, a server."""

"""Helpers independent of the subject: array types, atomic files, plugins, CPU cores, digests."""

"""Helpers that know nothing of the project's subject: arrays' names, files, plugins, processor cores, digests."""

"""Data sets as they are published: ``NAME:DIR``."""

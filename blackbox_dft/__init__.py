"""Data fine-tuning of images for models that can only be queried."""

__version__ = "0.1.0"

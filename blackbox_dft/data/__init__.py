"""Labelled images: read from a CSV, class folders or a published data set, split, and decoded to uint8."""

from blackbox_dft.data.dataset import Dataset, load
from blackbox_dft.images.files import encode_image, list_images, read_image, resize, write_image

__all__ = ["Dataset", "encode_image", "list_images", "load", "read_image", "resize", "write_image"]

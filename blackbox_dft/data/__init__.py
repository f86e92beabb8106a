"""Labelled images in: a CSV or a folder of classes, splits drawn or read, pixels as uint8."""

from blackbox_dft.data.dataset import Dataset, load
from blackbox_dft.images.files import encode_image, fit, list_images, read_image, write_image

__all__ = ["Dataset", "encode_image", "fit", "list_images", "load", "read_image", "write_image"]

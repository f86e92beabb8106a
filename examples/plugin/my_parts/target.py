"""A target: models run by OpenCV."""

from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np

from blackbox_dft.targets.base import Target


class OpenCvTarget(Target):
    """A model run by OpenCV: ``opencv:NAME`` is the file NAME.onnx."""

    def __init__(self, name, options):
        file = Path(name.partition(":")[2] + ".onnx")
        self.name = name
        self.fingerprint = blake2b(file.read_bytes(), digest_size=16).hexdigest()
        self.classes = options.classes or tuple("0123456789")
        self.image_size = options.size or (32, 32)
        self.batch, self.workers = options.batch or 32, 1
        self._net = cv2.dnn.readNetFromONNX(str(file))

    def scores(self, images):
        """uint8, or float32 in [0, 1], ``(N, H, W, 3)`` RGB, to ``(N, K)`` float32."""
        floats = images / np.float32(255) if images.dtype == np.uint8 else images
        self._net.setInput(np.ascontiguousarray(floats.transpose(0, 3, 1, 2)))
        return self._net.forward()

    def describe(self):
        return {"target": self.name, "provider": "opencv", "classes": self.classes, "notes": []}

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        pass

"""A few lines over ``onnx.helper`` for writing a change as ONNX nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

    from blackbox_dft.arrays import Array


class Graph:
    """Collects nodes and constants; every method returns the name of the tensor it made.

    >>> g = Graph("change")
    >>> y = g.op("Add", "images", g.constant(np.float32(0.1)))
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def name(self) -> str:
        """A tensor name nobody else uses."""
        return f"{self.prefix}_{len(self.nodes) + len(self.constants)}"

    def constant(self, value: Array | np.generic) -> str:
        """An initializer with the dtype and shape of ``value``."""
        from onnx import numpy_helper

        name = self.name()
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output."""
        from onnx import helper

        name = self.name()
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

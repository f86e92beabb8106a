"""A few lines over ``onnx.helper`` for writing a change as ONNX nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

    from blackbox_dft._utils.types import Array


class OnnxBuilder:
    """Collects nodes and constants; every method returns the name of the tensor it made.

    >>> g = Graph("change")
    >>> y = g.op("Add", "images", g.constant(np.float32(0.1)))
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._dropped = 0

    def name(self) -> str:
        """A tensor name nobody else uses."""
        return f"{self.prefix}_{len(self.nodes) + len(self.constants) + self._dropped}"

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

    def rounded(self, values: str) -> str:
        """Floats in [0, 1] brought to the nearest 8-bit level, halves upwards."""
        scaled = self.op("Mul", values, self.constant(np.float32(255)))
        whole = self.op("Floor", self.op("Add", scaled, self.constant(np.float32(0.5))))
        return self.op("Div", whole, self.constant(np.float32(255)))

    def unclipped(self, values: str) -> str:
        """``values`` before they were clipped to [0, 1], where that was the last thing done."""
        last = self.nodes[-1]
        limits = {tensor.name: tensor for tensor in self.constants}
        if last.op_type != "Clip" or list(last.output) != [values] or any(x not in limits for x in last.input[1:]):
            return values
        from onnx import numpy_helper

        if [numpy_helper.to_array(limits[name]).item() for name in last.input[1:]] != [0, 1]:
            return values
        self.nodes.pop()
        self._dropped += 1
        return str(last.input[0])

"""``OnnxBuilder``: collects ONNX nodes and constants, to write an image change as a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

    from blackbox_dft._utils.types import Array


class OnnxBuilder:
    """Collects nodes and constants; each method returns the name of the tensor that it adds.

    >>> graph = OnnxBuilder("change")
    >>> lighter = graph.op("Add", "images", graph.constant(np.float32(0.1)))
    >>> [node.op_type for node in graph.nodes], len(graph.constants)
    (['Add'], 1)
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._dropped = 0

    def name(self) -> str:
        """A new tensor name, unique in this graph."""
        return f"{self.prefix}_{len(self.nodes) + len(self.constants) + self._dropped}"

    def constant(self, value: Array | np.generic) -> str:
        """Adds an initializer with the dtype and shape of ``value``."""
        from onnx import numpy_helper

        name = self.name()
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node with one output."""
        from onnx import helper

        name = self.name()
        # ONNX Runtime 1.20 refuses graphs in which its fusions meet several nodes without names.
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def mean(self, values: str, axes: Sequence[int], share: np.floating[Any]) -> str:
        """Mean over ``axes``, which stay as axes of 1; ``share`` is 1 through the number of values, in their type.

        By a sum, as ReduceMean is written one way up to opset 17 and another way from 18 on.
        """
        return self.op(
            "Mul", self.op("ReduceSum", values, self.constant(np.array(axes, np.int64))), self.constant(share)
        )

    def rounded(self, values: str) -> str:
        """Rounds floats in [0, 1] to the nearest 8-bit level, halves up: ``to_floats(to_bytes(values))``."""
        scaled = self.op("Mul", values, self.constant(np.float32(255)))
        whole = self.op("Floor", self.op("Add", scaled, self.constant(np.float32(0.5))))
        return self.op("Div", whole, self.constant(np.float32(255)))

    def unclipped(self, values: str) -> str:
        """Removes the last node, if it clips ``values`` to [0, 1], and returns its input; else returns ``values``."""
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

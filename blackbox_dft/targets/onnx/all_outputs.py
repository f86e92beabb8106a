"""``--output all``: joins the outputs of a model into one, so that a call returns all that it says of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from blackbox_dft.spaces.onnx_builder import OnnxBuilder

if TYPE_CHECKING:
    from onnx import GraphProto

ALL = "all"
"""What ``--output`` is given, or ``all:NAME`` if several outputs could be the one with the labels' scores."""
JOINED = "bbdft_all_outputs"
"""Name of the joined output, float32 ``(N, K)``."""


def wants_all(output: str | None) -> bool:
    """Whether an ``--output`` stands for all outputs.

    >>> wants_all("all"), wants_all("all:gender"), wants_all("gender"), wants_all(None)
    (True, True, False, False)
    """
    return output is not None and output.partition(":")[0] == ALL


def main_output(output: str) -> str | None:
    """The output with the labels' scores that ``all:NAME`` names; ``None`` if it names none."""
    return output.partition(":")[2] or None


def join_outputs(graph: GraphProto, names: Sequence[str]) -> None:
    """Adds the output ``JOINED`` to the graph, in place: the outputs ``names`` side by side, in this order.

    >>> from onnx import TensorProto, helper
    >>> outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in ("gender", "age")]
    >>> graph = helper.make_graph([], "g", [], outputs)
    >>> join_outputs(graph, ["gender", "age"])
    >>> [output.name for output in graph.output], [node.op_type for node in graph.node][-1]
    (['gender', 'age', 'bbdft_all_outputs'], 'Concat')
    """
    from onnx import TensorProto, helper

    builder = OnnxBuilder("bbdft_all")
    # An output may have no axis of columns, or further axes of 1.
    rows = [builder.op("Flatten", builder.op("Cast", name, to=TensorProto.FLOAT), axis=1) for name in names]
    graph.node.extend(builder.nodes)
    graph.node.append(helper.make_node("Concat", rows, [JOINED], axis=1))
    graph.initializer.extend(builder.constants)
    graph.output.append(helper.make_tensor_value_info(JOINED, TensorProto.FLOAT, None))

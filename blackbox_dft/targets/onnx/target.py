"""ONNX target: a model in an ONNX file, run by ONNX Runtime in this process."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.types import Array, ImageBytes, Images, Scores
from blackbox_dft.errors import InputError, MisfitError, TargetError
from blackbox_dft.targets.base import AutotunableTarget, GraphTarget, Target
from blackbox_dft.targets.input_format import infer_input_format
from blackbox_dft.targets.onnx.float16 import to_float16
from blackbox_dft.targets.onnx.io_binding import BoundSession
from blackbox_dft.targets.onnx.loading import load_model
from blackbox_dft.targets.onnx.providers import open_session
from blackbox_dft.targets.options import TargetOptions

if TYPE_CHECKING:
    from onnx import ModelProto

SCORE_TYPES = ("tensor(float)", "tensor(float16)", "tensor(double)")
CLASS_INDEX_TYPES = ("tensor(int64)", "tensor(int32)")
DEFAULT_BATCH = {"cpu": 8, "cuda": 256, "tensorrt": 256}
"""Images of a call, by provider."""


class OnnxTarget(Target, GraphTarget, AutotunableTarget):
    """An ONNX model with one image input.

    On the CPU, one single-threaded session is called from as many threads as there are cores unless a call plan is
    set: for small models that is up to twice as fast as one call that uses all cores.

    Raises:
        InputError: not an ONNX file, not an image model, an ambiguous input or output, or a GPU that is not available.

    >>> from blackbox_dft.demo import assets
    >>> target = OnnxTarget(assets() / "digits.onnx", TargetOptions(provider="cpu"))
    >>> target.image_size, target.input_format.layout, target.opset["ai.onnx"]
    ((32, 32), 'nchw', 17)
    """

    def __init__(self, path: str | Path, options: TargetOptions | None = None) -> None:
        import onnxruntime as ort

        options = options or TargetOptions()
        self._options = options
        self._threads = 1
        self.path = Path(path)
        self.name = str(path)
        proto = load_model(self.path, weights=False)
        try:
            # On a cluster, the actors score; here, only inputs and outputs are read.
            provider = "cpu" if options.cluster else options.provider
            self._model: Path | bytes = self.path
            if options.float16:
                self._model = to_float16(load_model(self.path, weights=True), self.path)
            self.session, self.provider, self.provider_note = open_session(self._model, provider, _settings(1))
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{path} cannot be run by ONNX Runtime {ort.__version__} ({_first_line(error)}): "
                "export it for that version."
            ) from error
        self.notes: list[str] = []
        self.input = self._image_input()
        self.input_format, notes = infer_input_format(
            self.input.name, self.input.shape, self.input.type, options, proto.graph
        )
        self.output = self._score_output(options, _classes(proto))
        self.classes = self._class_names(options, _classes(proto))
        self.notes += notes
        self.image_size = self.input_format.size
        # A multiple of a fixed batch, as images that only fill one up are computed for nothing.
        fixed = self.input_format.batch or 1
        default = DEFAULT_BATCH.get(options.provider if options.cluster else self.provider, DEFAULT_BATCH["cpu"])
        self.batch = options.batch or max(1, default // fixed) * fixed
        self.workers = options.workers or (cores() if self.provider == "cpu" else 2)
        self.opset = {entry.domain or "ai.onnx": entry.version for entry in proto.opset_import}
        self.files = _files(self.path, proto)
        precision = " float16" if options.float16 else ""
        self.fingerprint = _fingerprint(self.files, f"{self.output.name} {self.input_format.identity}{precision}")

    def _image_input(self) -> Any:
        inputs = self.session.get_inputs()
        if len(inputs) != 1:
            named = ", ".join(f"{i.name} {i.shape}" for i in inputs)
            raise InputError(f"{self.path} has {len(inputs)} inputs ({named}): a model with one image input is needed.")
        return inputs[0]

    def _score_output(self, options: TargetOptions, classes: tuple[str, ...] | None) -> Any:
        outputs = self.session.get_outputs()
        named = ", ".join(f"{o.name} {o.shape}" for o in outputs)
        if options.output is not None:
            for output in outputs:
                if output.name == options.output:
                    return self._usable(output)
            raise InputError(f"{self.path} has no output {options.output!r}: give --output one of {named}.")
        if len(outputs) == 1:
            return self._usable(outputs[0])
        several_scores = [o for o in outputs if o.type in SCORE_TYPES and _columns(o.shape) > 1]
        matching = [o for o in several_scores if classes and _columns(o.shape) == len(classes)] or several_scores
        if len(matching) != 1:
            raise InputError(f"{self.path} has several outputs ({named}): name the one with scores, --output NAME.")
        self.notes.append(f"scores are taken from output {matching[0].name!r} of {named} (else give --output)")
        return matching[0]

    def _usable(self, output: Any) -> Any:
        if output.type not in SCORE_TYPES + CLASS_INDEX_TYPES:
            raise InputError(
                f"{self.path}: output {output.name!r} is {output.type}, not a tensor of scores: "
                "give another --output, or export the model without such a wrapper (ZipMap)."
            )
        return output

    def _class_names(self, options: TargetOptions, in_file: tuple[str, ...] | None) -> tuple[str, ...] | None:
        columns = _columns(self.output.shape)
        if options.classes is not None:
            if columns > 1 and len(options.classes) != columns:
                raise InputError(
                    f"--model-classes names {len(options.classes)} classes, but output {self.output.name!r} "
                    f"has {columns} scores: give one name for each score."
                )
            return options.classes
        if in_file and columns > 1 and len(in_file) != columns:
            self.notes.append(f"the file names {len(in_file)} classes for {columns} scores, so they are ignored")
            return None
        return in_file

    @override
    def scores(self, images: ImageBytes | Images) -> Scores:
        size, batch = self.input_format.size, self.input_format.batch
        if size and images.shape[1:3] != size:
            height, width = images.shape[1:3]
            raise InputError(f"{self.path} takes images of {size[0]}x{size[1]}, not {height}x{width}: resize them.")
        prepared = self.input_format.prepare(images)
        if batch is None:
            return self._run(prepared, len(images))
        scores = []
        for start in range(0, len(prepared), batch):
            part = prepared[start : start + batch]
            count = len(part)
            # A fixed batch is filled up with copies of the last image, whose scores are dropped.
            part = np.concatenate([part, np.repeat(part[-1:], batch - count, axis=0)])
            scores.append(self._run(part if self.input_format.batched else part[0], batch)[:count])
        return np.concatenate(scores)

    @property
    @override
    def call_plan_is_open(self) -> bool:
        fixed = self._options.batch, self._options.workers, self.input_format.batch
        return self.provider == "cpu" and fixed == (None, None, None) and not self._options.cluster

    @override
    def set_call_plan(self, workers: int, threads: int) -> None:
        self.workers = workers
        if threads != self._threads:
            self._threads = threads
            self.session = open_session(self._model, self.provider, _settings(threads))[0]

    @override
    def graph(self) -> ModelProto:
        import onnx

        model = self._model
        return onnx.load_from_string(model) if isinstance(model, bytes) else load_model(model, weights=True)

    @override
    def float16_error(self, images: ImageBytes) -> float | None:
        if not self._options.float16:
            return None
        original = OnnxTarget(self.path, replace(self._options, float16=False))
        return float(np.abs(self.scores(images) - original.scores(images)).max())

    @override
    def open_graph(
        self, model: bytes, *, keep_quantizers: bool, constants: Mapping[str, Array]
    ) -> Callable[[Mapping[str, Array], int], Scores]:
        settings = _settings(self._threads)
        if keep_quantizers:
            settings.add_session_config_entry("session.disable_quant_qdq", "1")
        session = open_session(model, self.provider, settings)[0]
        return partial(self._call, BoundSession(session, self.output.name, constants, self.provider))

    def _run(self, prepared: Array, count: int) -> Scores:
        def run(inputs: Mapping[str, Array]) -> Any:
            return self.session.run([self.output.name], inputs)[0]

        return self._call(run, {self.input.name: prepared}, count)

    def _call(self, run: Callable[[Mapping[str, Array]], Array], inputs: Mapping[str, Array], count: int) -> Scores:
        """Runs a session on ``count`` images and checks its output."""
        try:
            raw = run(inputs)
        except Exception as error:
            shape = next(iter(inputs.values())).shape
            raise TargetError(f"{self.path} failed on images of shape {shape}: {_first_line(error)}.") from error
        scores = np.asarray(raw, np.float32)
        batched = self.input_format.batched
        sides = raw.shape[1:] if batched else raw.shape
        if scores.size % count or not scores.size or sum(side != 1 for side in sides) > 1:
            raise MisfitError(f"{self.path} returned shape {scores.shape} for {count} images: give another --output.")
        scores = scores.reshape(count, -1)
        if scores.shape[1] != np.prod(raw.shape[1:], dtype=int) and batched:
            raise MisfitError(f"{self.path} returned shape {raw.shape} for {count} images: give another --output.")
        return scores

    @override
    def describe(self) -> dict[str, Any]:
        about = self.session.get_modelmeta()
        return {
            "target": self.name,
            "provider": self.provider,
            "provider_note": self.provider_note,
            "precision": "float16" if self._options.float16 else "as in the file",
            "inputs": [f"{i.name} {i.type} {i.shape}" for i in self.session.get_inputs()],
            "outputs": [f"{o.name} {o.type} {o.shape}" for o in self.session.get_outputs()],
            "output": self.output.name,
            "classes": self.classes,
            "layout": self.input_format.layout,
            "channels": self.input_format.channels,
            "range": self.input_format.range,
            "mean": self.input_format.mean,
            "std": self.input_format.std,
            "image_size": self.input_format.size,
            "opset": self.opset.get("ai.onnx"),
            "producer": about.producer_name or None,
            "notes": self.notes,
        }


def _settings(threads: int) -> Any:
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = 4
    return settings


def _classes(proto: ModelProto) -> tuple[str, ...] | None:
    """Class names in the metadata: ``classes`` (JSON, or separated by commas), or ``names`` as Ultralytics writes."""
    meta = {entry.key: entry.value for entry in proto.metadata_props}
    if text := meta.get("classes"):
        try:
            names = json.loads(text)
        except ValueError:
            names = text.split(",")
        return tuple(str(name).strip() for name in names) if isinstance(names, list) else None
    if text := meta.get("names"):
        try:
            table = ast.literal_eval(text)
            return tuple(str(table[i]) for i in range(len(table)))
        except (ValueError, SyntaxError, KeyError, TypeError):
            return None
    return None


def _columns(shape: list[Any]) -> int:
    """How many scores an image gets; 0 if the shape does not tell."""
    sides = shape[1:]
    while len(sides) > 1 and sides[-1] == 1:
        sides = sides[:-1]
    return sides[0] if len(sides) == 1 and isinstance(sides[0], int) else 0


def _files(path: Path, proto: ModelProto) -> tuple[Path, ...]:
    """``path``, then the files of weights stored beside it."""
    locations = {
        entry.value
        for tensor in proto.graph.initializer
        if tensor.data_location
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return (path, *(path.parent / location for location in sorted(locations)))


def _fingerprint(files: tuple[Path, ...], text: str) -> str:
    hasher = blake2b(digest_size=16)
    hasher.update(text.encode())
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 22):
                hasher.update(block)
    return hasher.hexdigest()


def _first_line(error: Exception) -> str:
    """The first line of ONNX Runtime's message, without codes and source lines."""
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error)).strip().split("\n")[0]
    text = re.sub(r"/\S+:\d+ .*?\) ", "", text)
    return text[:200].rstrip(". ")

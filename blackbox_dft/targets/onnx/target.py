"""ONNX target: a model in an ONNX file, run by ONNX Runtime in this process."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.turns import turn
from blackbox_dft._utils.types import Array, ImageBytes, Images, Scores
from blackbox_dft.errors import InputError, MisfitError, TargetError
from blackbox_dft.targets.base import AutotunableTarget, GraphTarget, Target
from blackbox_dft.targets.input_format import InputFormat, infer_input_format
from blackbox_dft.targets.onnx.all_outputs import ALL, JOINED, join_outputs, main_output, wants_all
from blackbox_dft.targets.onnx.float16 import to_float16
from blackbox_dft.targets.onnx.inner_scores import expose_scores
from blackbox_dft.targets.onnx.io_binding import (
    BoundSession,
    SizedSessions,
    call_sizes,
    filled_up,
    on_device,
    size_for,
)
from blackbox_dft.targets.onnx.loading import load_model
from blackbox_dft.targets.onnx.metadata import TUNING, NamedClasses, mapped_labels, read_statements
from blackbox_dft.targets.onnx.providers import open_session
from blackbox_dft.targets.onnx.quantized_scores import BYTE_TYPES, dequantizer
from blackbox_dft.targets.onnx.room import Room
from blackbox_dft.targets.onnx.runtime_errors import reason
from blackbox_dft.targets.options import TargetOptions

if TYPE_CHECKING:
    from onnx import ModelProto

FLOAT_TYPES = ("tensor(float)", "tensor(float16)", "tensor(double)")
SCORE_TYPES = (*FLOAT_TYPES, *BYTE_TYPES)
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
        self.files = _files(self.path, proto)
        for file in self.files[1:]:
            if not file.exists():
                raise InputError(f"{path} keeps weights in {file}, which does not exist: copy it beside the model.")
        stated = read_statements(proto, self.path)
        self.notes: list[str] = list(stated.notes)
        self._inner = {inner.output: inner for inner in expose_scores(proto.graph)}
        try:
            # On a cluster, the actors score; here, only inputs and outputs are read.
            provider = "cpu" if options.cluster else options.provider
            self._model: Path | bytes = self._opened_model(options)
            self.session, self.provider, self.provider_note = open_session(self._model, provider, _settings(1))
        except InputError:
            raise
        except Exception as error:
            text = reason(error)
            unknown = "not a registered function/op" in text or "No Op registered" in text
            mend = "export it without operators of other packages" if unknown else "export it again, for that version"
            raise InputError(f"{path} cannot be run by ONNX Runtime {ort.__version__} ({text}): {mend}.") from error
        self.input = self._image_input()
        plain = _without_functions(proto)
        self.input_format, notes = infer_input_format(
            self.input.name,
            self.input.shape,
            self.input.type,
            options,
            plain.graph,
            stated.formats,
            opsets=plain.opset_import,
            folder=self.path.parent,
        )
        metadata = {entry.key: entry.value for entry in proto.metadata_props}
        mapped = mapped_labels(metadata, [output.name for output in self.session.get_outputs()])
        if mapped and options.output in (None, mapped[0]):
            # What a tuned model says of the user's labels goes before the scores of its own classes.
            options = replace(options, output=mapped[0], classes=options.classes or mapped[1])
        self.output = self._score_output(options, stated.classes)
        self.head_widths: tuple[int, ...] = ()
        self._fetched = self.output.name
        self.output_names: tuple[str, ...] = (self.output.name,)
        """Whose numbers ``scores`` returns, in this order."""
        if wants_all(options.output):
            self._join_outputs()
        self.classes = self._class_names(options, stated.classes)
        self.notes += notes
        self._dequantize = dequantizer(proto.graph, self.output.name, self.output.type, self.path.parent)
        self.image_size = self.input_format.size
        # A multiple of a fixed batch, as images that only fill one up are computed for nothing.
        fixed = self.input_format.batch or 1
        default = DEFAULT_BATCH.get(options.provider if options.cluster else self.provider, DEFAULT_BATCH["cpu"])
        self.batch = options.batch or max(1, default // fixed) * fixed
        self.max_batch = options.batch
        self.workers = options.workers or (cores() if self.provider == "cpu" else 2)
        self._sizes = self._call_sizes()
        # As many as one run has in calls at once; several runs share a GPU.
        self._room = None if self.provider == "cpu" else Room(self.workers * self.batch)
        self.opset = {entry.domain or "ai.onnx": entry.version for entry in proto.opset_import}
        precision = " float16" if options.float16 else ""
        self.fingerprint = _fingerprint(
            self.files, f"{' '.join(self.output_names)} {self.input_format.identity}{precision}"
        )

    def _call_sizes(self) -> tuple[int, ...]:
        """Images of calls on a GPU; none on the CPU, or if the model itself says how many."""
        if self.provider == "cpu" or self.input_format.batch is not None or not self.input_format.batched:
            return ()
        # TensorRT compiles the model for each size, which takes a minute or more.
        return call_sizes(self.batch) if self.provider == "cuda" else (self.batch,)

    def _opened_model(self, options: TargetOptions) -> Path | bytes:
        """The file, or the bytes of the model that is run in its place."""
        if not (self._inner or options.float16):
            return self.path
        model = load_model(self.path, weights=True)
        expose_scores(model.graph)
        if options.float16:
            return to_float16(model, self.path)
        try:
            return bytes(model.SerializeToString())
        except Exception as error:
            operator = next(iter(self._inner.values())).operator
            raise InputError(
                f"{self.path} is larger than 2 GB and ends in {operator}: export it without this operator."
            ) from error

    def _join_outputs(self) -> None:
        """Opens the model again with one output in place of several: the scores, then all other numbers."""
        others = [o for o in self.session.get_outputs() if o.name != self.output.name and o.type in FLOAT_TYPES]
        widths = {o.name: 1 if len(o.shape) == 1 else self._columns(o) for o in others}
        others = [o for o in others if widths[o.name]]
        if self.output.type not in FLOAT_TYPES or not self._columns(self.output):
            raise InputError(f"{self.path}: output {self.output.name!r} cannot be joined with others: give its name.")
        if not others:
            self.notes.append(f"--output all: there is no output of numbers beside {self.output.name!r}")
            return
        self.head_widths = tuple(widths[o.name] for o in others)
        self.output_names = (self.output.name, *(o.name for o in others))
        self.notes = [note for note in self.notes if not note.startswith("scores are taken from output")]
        others_named = ", ".join(self.output_names[1:])
        self.notes.append(f"labels are those of output {self.output.name!r}; the output map also reads {others_named}")
        model = self.graph()
        join_outputs(model.graph, self.output_names)
        try:
            self._model = bytes(model.SerializeToString())
        except Exception as error:
            raise InputError(f"{self.path} is larger than 2 GB: give one --output instead of all.") from error
        self._fetched = JOINED
        self.session = open_session(self._model, self.provider, _settings(1))[0]

    def _image_input(self) -> Any:
        inputs = self.session.get_inputs()
        if len(inputs) != 1:
            named = ", ".join(f"{i.name} {i.shape}" for i in inputs)
            raise InputError(
                f"{self.path} has {len(inputs)} inputs ({named}), and a model with one image input is needed: call it "
                "from a Python function that gives the others, module:function."
            )
        return inputs[0]

    def _score_output(self, options: TargetOptions, classes: tuple[NamedClasses, ...]) -> Any:
        outputs = self.session.get_outputs()
        named = ", ".join(f"{o.name} {o.shape}" for o in outputs)
        wanted = options.output
        if wanted is not None and wants_all(wanted) and wanted not in {o.name for o in outputs}:
            wanted = main_output(wanted)
        if wanted is not None:
            inner = self._inner.get(wanted)
            for output in outputs:
                if output.name == (inner.tensor if inner else wanted):
                    return self._usable(output)
            raise InputError(f"{self.path} has no output {wanted!r}: give --output one of {named}.")
        if len(outputs) == 1:
            return self._usable(outputs[0])
        several = [o for o in outputs if o.type in SCORE_TYPES and self._columns(o) > 1]
        several_scores = [o for o in several if o.type in FLOAT_TYPES] or several
        counts = {len(one.names) for one in classes}
        zipped = {inner.tensor for inner in self._inner.values() if inner.operator == "ZipMap"}
        matching = (
            [o for o in several_scores if self._columns(o) in counts]
            or several_scores
            or [o for o in outputs if o.name in zipped]
        )
        if len(matching) != 1:
            usable = [o for o in outputs if o.type in SCORE_TYPES + CLASS_INDEX_TYPES]
            if len(usable) == 1:
                return self._usable(usable[0])
            raise InputError(f"{self.path} has several outputs ({named}): name the one with scores, --output NAME.")
        if matching[0].name not in {inner.tensor for inner in self._inner.values()}:
            self.notes.append(f"scores are taken from output {matching[0].name!r} of {named} (else give --output)")
        return self._usable(matching[0])

    def _usable(self, output: Any) -> Any:
        if output.type not in SCORE_TYPES + CLASS_INDEX_TYPES:
            raise InputError(
                f"{self.path}: output {output.name!r} is {output.type}, not a tensor of scores: "
                f"{self._other_outputs(output) or 'export the model with its scores as an output'}."
            )
        for inner in self._inner.values():
            if inner.tensor == output.name:
                if inner.operator not in ("ZipMap", "TopK"):
                    raise InputError(
                        f"{self.path}: output {inner.output!r} is a {inner.operator}, which are distances and not "
                        f"scores: {self._other_outputs(output) or 'export the model with scores as an output'}."
                    )
                self.notes.append(
                    f"scores are taken from {output.name!r}, before the {inner.operator} that makes {inner.output!r}"
                )
                break
        return output

    def _other_outputs(self, output: Any) -> str:
        """Which other outputs could be given; nothing if there are none."""
        names = [
            other.name
            for other in self.session.get_outputs()
            if other.name != output.name and other.type in SCORE_TYPES + CLASS_INDEX_TYPES
        ]
        return f"give another --output, {' or '.join(names)}" if names else ""

    def _columns(self, output: Any) -> int:
        """How many scores an image gets; 0 if the shape does not tell."""
        # The only image's scores may have no axis of images.
        single = self.input_format.batch == 1 and len(output.shape) == 1
        return _columns([1, *output.shape] if single else output.shape)

    def _class_names(self, options: TargetOptions, stated: tuple[NamedClasses, ...]) -> tuple[str, ...] | None:
        columns = self._columns(self.output)
        if options.classes is not None:
            if columns > 1 and len(options.classes) != columns:
                raise InputError(
                    f"--model-classes names {len(options.classes)} classes, but output {self.output.name!r} "
                    f"has {columns} scores: give one name for each score."
                )
            return options.classes
        in_graph = [
            NamedClasses("the graph", inner.classes)
            for inner in self._inner.values()
            if inner.tensor == self.output.name and inner.classes
        ]
        ignored = []
        for source, names in ((one.source, one.names) for one in [*in_graph, *stated]):
            if columns > 1 and len(names) != columns:
                ignored.append(f"{source} names {len(names)} classes for {columns} scores, so they are ignored")
                continue
            if source not in ("the file", "the graph"):
                self.notes.append(f"class names are those of {source} (else give --model-classes)")
            return names
        self.notes += ignored
        return None

    @override
    def scores(self, images: ImageBytes | Images) -> Scores:
        size, batch = self.input_format.size, self.input_format.batch
        if size and images.shape[1:3] != size:
            height, width = images.shape[1:3]
            raise InputError(f"{self.path} takes images of {size[0]}x{size[1]}, not {height}x{width}: resize them.")
        with turn(images):
            prepared = self.input_format.prepare(images)
        step = batch or self._options.batch or len(prepared)
        scores = []
        for start in range(0, len(prepared), step):
            part = prepared[start : start + step]
            count = len(part)
            if batch is not None:
                # A fixed batch is filled up with copies of the last image, whose scores are dropped.
                part = np.concatenate([part, np.repeat(part[-1:], batch - count, axis=0)])
            elif self._sizes:
                part = filled_up(part, size_for(count, self._sizes))
            scores.append(self._run(part if self.input_format.batched else part[0], len(part))[:count])
        return scores[0] if len(scores) == 1 else np.concatenate(scores)

    def with_format(self, input_format: InputFormat) -> Self:
        """The same session with images given in another format; its fingerprint is not that of this target."""
        made = copy.copy(self)
        made.input_format = input_format
        made.fingerprint = _fingerprint((), f"{self.fingerprint} {input_format.identity}")
        return made

    @property
    @override
    def resolved_options(self) -> TargetOptions:
        form = self.input_format
        normalised = form.mean is not None or form.std is not None
        return replace(
            self._options,
            output=f"{ALL}:{self.output.name}" if self.head_widths else self.output.name,
            classes=self.classes,
            layout=form.layout,
            channels=form.channels,
            range="auto" if normalised else form.range,
            mean=form.mean,
            std=form.std,
            size=form.size,
        )

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
        if not self._options.float16 and self.provider != "tensorrt":
            return None
        # TensorRT compiles another program of the file; its scores are compared with those of this machine's processor.
        provider = self._options.provider if self._options.float16 else "cpu"
        original = OnnxTarget(self.path, replace(self._options, float16=False, provider=provider))
        return float(np.abs(self.scores(images) - original.scores(images)).max())

    @override
    def place(self, array: Array) -> Any:
        return on_device(array, self.provider)

    @override
    def open_graph(
        self, model: bytes, *, keep_quantizers: bool, constants: Mapping[str, Any]
    ) -> Callable[[Mapping[str, Array], int], Scores]:
        settings = _settings(self._threads)
        if keep_quantizers:
            settings.add_session_config_entry("session.disable_quant_qdq", "1")

        def opened() -> BoundSession:
            return BoundSession(open_session(model, self.provider, settings)[0], self._fetched, constants)

        return partial(self._call, SizedSessions(opened, self._sizes) if self._sizes else opened())

    def _run(self, prepared: Array, count: int) -> Scores:
        def run(inputs: Mapping[str, Array]) -> Any:
            return self.session.run([self._fetched], inputs)[0]

        try:
            return self._call(run, {self.input.name: prepared}, count)
        except TargetError as error:
            if count > 1 and self.input_format.batch is None:
                try:
                    self._call(run, {self.input.name: prepared[:1]}, 1)
                except TargetError:
                    raise error from error.__cause__
                raise TargetError(
                    f"{self.path} takes one image at a time, as it mixes up the {count} images of a batch or fails on "
                    "them: give --batch 1."
                ) from error
            raise

    def _call(self, run: Callable[[Mapping[str, Array]], Array], inputs: Mapping[str, Array], count: int) -> Scores:
        """Runs a session on ``count`` images and checks its output."""
        try:
            with self._room.taken(count) if self._room else nullcontext():
                raw = run(inputs)
        except Exception as error:
            shape = next(iter(inputs.values())).shape
            raise TargetError(
                f"{self.path} failed on images of shape {shape}{self._size_advice()} ({reason(error)})."
            ) from error
        # The only image's scores may have no axis of images.
        single = not self.input_format.batched or (count == 1 and raw.ndim < 2)
        sides = raw.shape if single else raw.shape[1:]
        if not raw.size or not (single or len(raw) == count) or sum(side != 1 for side in sides) > 1:
            mend = self._other_outputs(self.output) or (
                "only a classifier can be used, whose output is one row of scores for each image"
            )
            raise MisfitError(
                f"{self.path} returned output {self.output.name!r} of shape {raw.shape} for {count} images: {mend}."
            )
        scores = np.asarray(raw, np.float32).reshape(count, -1)
        return scores if self._dequantize is None else self._dequantize(scores)

    def _size_advice(self) -> str:
        """What to give if the model takes any size by its input's shape, and perhaps not in truth."""
        sides = self.input.shape[-2:] if self.input_format.layout == "nchw" else self.input.shape[-3:-1]
        if all(isinstance(side, int) for side in sides):
            return ""
        return f": give {'another' if self._options.size else 'the'} size that it takes, --size HEIGHTxWIDTH"

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
            **_tuning(about.custom_metadata_map.get(TUNING)),
        }


def _tuning(text: str | None) -> dict[str, Any]:
    """How the tuning in a fused file was made, as the file says it."""
    with suppress(ValueError, TypeError):
        if text and isinstance(found := json.loads(text), dict):
            return {"tuning": found}
    return {}


def _settings(threads: int) -> Any:
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = 4
    return settings


def _without_functions(proto: ModelProto) -> ModelProto:
    """The model with its functions, as exporters of PyTorch write them, replaced by their operators."""
    from onnx import inliner

    if not proto.functions:
        return proto
    try:
        return inliner.inline_local_functions(proto)
    except Exception:
        return proto


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

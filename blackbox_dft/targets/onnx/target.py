"""A model in an ONNX file, run by ONNX Runtime."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.types import Array, ImageBytes, Images, Scores
from blackbox_dft.errors import InputError, TargetError
from blackbox_dft.targets.input_format import infer_form
from blackbox_dft.targets.onnx.float16 import to_float16
from blackbox_dft.targets.onnx.io_binding import BoundSession
from blackbox_dft.targets.onnx.providers import open_session
from blackbox_dft.targets.options import TargetOptions

if TYPE_CHECKING:
    from onnx import ModelProto

NUMBERS = ("tensor(float)", "tensor(float16)", "tensor(double)")
INDICES = ("tensor(int64)", "tensor(int32)")
BATCH = {"cpu": 8, "cuda": 256, "tensorrt": 256}


class OnnxTarget:
    """An ONNX model with one image input.

    On the CPU one single-threaded session is called from as many threads as there are cores unless arranged otherwise:
    on small models that is up to twice as fast as one call that uses them all.

    Raises:
        InputError: not an ONNX file, not an image model, an ambiguous input or output, a GPU that is not there.
    """

    def __init__(self, path: str | Path, options: TargetOptions | None = None) -> None:
        import onnxruntime as ort

        options = options or TargetOptions()
        self._options = options
        self._threads = 1
        self.path = Path(path)
        self.name = str(path)
        proto = _read(self.path)
        try:
            # What answers is on a cluster; here, the model's form is read.
            provider = "cpu" if options.cluster else options.provider
            self._model = to_float16(_read(self.path, weights=True), self.path) if options.float16 else self.path
            self.session, self.provider, self.provider_note = open_session(self._model, provider, _settings(1))
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{path} cannot be run by ONNX Runtime {ort.__version__} ({_first(error)}): export it for that version."
            ) from error
        self.notes: list[str] = []
        self.input = self._image_input()
        self.form, notes = infer_form(self.input.name, self.input.shape, self.input.type, options, proto.graph)
        self.output = self._score_output(options, _classes(proto))
        self.classes = self._class_names(options, _classes(proto))
        self.notes += notes
        self.image_size = self.form.size
        # Whole fixed batches, as what one is padded with is computed for nothing.
        fixed = self.form.batch or 1
        usual = BATCH.get(options.provider if options.cluster else self.provider, BATCH["cpu"])
        self.batch = options.batch or max(1, usual // fixed) * fixed
        self.workers = options.workers or (cores() if self.provider == "cpu" else 2)
        self.opset = {entry.domain or "ai.onnx": entry.version for entry in proto.opset_import}
        self.files = _files(self.path, proto)
        precision = " float16" if options.float16 else ""
        self.fingerprint = _fingerprint(self.files, f"{self.output.name} {self.form}{precision}")

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
        wide = [o for o in outputs if o.type in NUMBERS and _columns(o.shape) > 1]
        fitting = [o for o in wide if classes and _columns(o.shape) == len(classes)] or wide
        if len(fitting) != 1:
            raise InputError(f"{self.path} has several outputs ({named}): say which holds the scores, --output NAME.")
        self.notes.append(f"scores are taken from output {fitting[0].name!r} of {named} (else give --output)")
        return fitting[0]

    def _usable(self, output: Any) -> Any:
        if output.type not in NUMBERS + INDICES:
            raise InputError(
                f"{self.path}: output {output.name!r} is {output.type}, not a tensor of scores: "
                "give another --output, or export the model without such a wrapper (ZipMap)."
            )
        return output

    def _class_names(self, options: TargetOptions, found: tuple[str, ...] | None) -> tuple[str, ...] | None:
        columns = _columns(self.output.shape)
        if options.classes is not None:
            if columns > 1 and len(options.classes) != columns:
                raise InputError(
                    f"--model-classes names {len(options.classes)} classes, but output {self.output.name!r} "
                    f"has {columns} scores: give one name a score."
                )
            return options.classes
        if found and columns > 1 and len(found) != columns:
            self.notes.append(f"the file names {len(found)} classes for {columns} scores, so they are ignored")
            return None
        return found

    def scores(self, images: ImageBytes | Images) -> Scores:
        """``(N, H, W, 3)`` RGB to ``(N, K)``."""
        form = self.form
        if form.size and images.shape[1:3] != form.size:
            raise InputError(f"{self.path} takes images of {form.size[0]}x{form.size[1]}, not {images.shape[1:3]}.")
        fed = form.prepare(images)
        if form.batch is None:
            return self._run(fed, len(images))
        out = []
        for start in range(0, len(fed), form.batch):
            part = fed[start : start + form.batch]
            count = len(part)
            # A model of fixed batch is fed copies of the last image, whose scores are dropped.
            part = np.concatenate([part, np.repeat(part[-1:], form.batch - count, axis=0)])
            out.append(self._run(part if form.batched else part[0], form.batch)[:count])
        return np.concatenate(out)

    @property
    def unsaid(self) -> bool:
        """Whether neither the options nor the model say how it is called, and it runs on the CPU here."""
        said = self._options.batch, self._options.workers, self.form.batch
        return self.provider == "cpu" and said == (None, None, None) and not self._options.cluster

    def arrange(self, workers: int, threads: int) -> None:
        """From now on, so many calls side by side, of so many threads each."""
        self.workers = workers
        if threads != self._threads:
            self._threads = threads
            self.session = open_session(self._model, self.provider, _settings(threads))[0]

    def graph(self) -> ModelProto:
        """The model that answers, read anew each time; in half precision where that was asked for."""
        import onnx

        model = self._model
        return onnx.load_from_string(model) if isinstance(model, bytes) else _read(model, weights=True)

    def coarsened(self, images: ImageBytes) -> float | None:
        """The most that scores of ``images (N, H, W, 3)`` are from the file's own; nothing where that is what runs."""
        if not self._options.float16:
            return None
        own = OnnxTarget(self.path, replace(self._options, float16=False))
        return float(np.abs(self.scores(images) - own.scores(images)).max())

    def open(
        self, model: bytes, *, literal: bool, held: Mapping[str, Array]
    ) -> Callable[[Mapping[str, Array], int], Scores]:
        """A session of a graph that ends in this model, on the same provider; called as often at once as ``scores``."""
        settings = _settings(self._threads)
        if literal:
            settings.add_session_config_entry("session.disable_quant_qdq", "1")
        session = open_session(model, self.provider, settings)[0]
        bound = BoundSession(session, self.output.name, held, self.provider)
        return partial(self._ask, bound)

    def _run(self, fed: Array, count: int) -> Scores:
        return self._ask(lambda given: self.session.run([self.output.name], given)[0], {self.input.name: fed}, count)

    def _ask(self, run: Callable[[Mapping[str, Array]], Array], fed: Mapping[str, Array], count: int) -> Scores:
        try:
            raw = run(fed)
        except Exception as error:
            shape = next(iter(fed.values())).shape
            raise TargetError(f"{self.path} failed on images of shape {shape}: {_first(error)}.") from error
        scores = np.asarray(raw, np.float32)
        sides = raw.shape[1:] if self.form.batched else raw.shape
        if scores.size % count or not scores.size or sum(side != 1 for side in sides) > 1:
            raise TargetError(f"{self.path} answered shape {scores.shape} for {count} images: give another --output.")
        scores = scores.reshape(count, -1)
        if scores.shape[1] != np.prod(raw.shape[1:], dtype=int) and self.form.batched:
            raise TargetError(f"{self.path} answered shape {raw.shape} for {count} images: give another --output.")
        return scores

    def describe(self) -> dict[str, Any]:
        """What ``bbdft inspect`` prints."""
        form = self.form
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
            "layout": form.layout,
            "channels": form.channels,
            "range": form.range,
            "mean": form.mean,
            "std": form.std,
            "image_size": form.size,
            "opset": self.opset.get("ai.onnx"),
            "producer": about.producer_name or None,
            "notes": self.notes,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to let go of: the session ends with the object."""


def _settings(threads: int) -> Any:
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = 4
    return settings


def _read(path: Path, *, weights: bool = False) -> ModelProto:
    """The model in a file, with ``weights`` also those that it keeps beside itself."""
    import onnx
    from google.protobuf.message import DecodeError

    if not path.exists():
        raise InputError(f"{path} does not exist: TARGET is an ONNX file or module:function.")
    try:
        proto = onnx.load(str(path), load_external_data=weights)
    except (DecodeError, ValueError, OSError) as error:
        raise InputError(f"{path} is not an ONNX file, or is cut off: export or copy it again.") from error
    if not proto.graph.node:
        raise InputError(f"{path} is not an ONNX model (it has no nodes): export or copy it again.")
    return proto


def _classes(proto: ModelProto) -> tuple[str, ...] | None:
    """Class names from the file's metadata: ``classes`` (commas or JSON), or ``names`` as Ultralytics writes them."""
    meta = {entry.key: entry.value for entry in proto.metadata_props}
    if text := meta.get("classes"):
        try:
            found = json.loads(text)
        except ValueError:
            found = text.split(",")
        return tuple(str(name).strip() for name in found) if isinstance(found, list) else None
    if text := meta.get("names"):
        try:
            table = ast.literal_eval(text)
            return tuple(str(table[i]) for i in range(len(table)))
        except (ValueError, SyntaxError, KeyError, TypeError):
            return None
    return None


def _columns(shape: list[Any]) -> int:
    """Scores an image, where the file says; 0 where not."""
    sides = shape[1:]
    while len(sides) > 1 and sides[-1] == 1:
        sides = sides[:-1]
    return sides[0] if len(sides) == 1 and isinstance(sides[0], int) else 0


def _files(path: Path, proto: ModelProto) -> tuple[Path, ...]:
    """The model's, and behind it those of weights that it keeps beside itself."""
    places = {
        entry.value
        for tensor in proto.graph.initializer
        if tensor.data_location
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return (path, *(path.parent / place for place in sorted(places)))


def _fingerprint(files: tuple[Path, ...], text: str) -> str:
    hasher = blake2b(digest_size=16)
    hasher.update(text.encode())
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 22):
                hasher.update(block)
    return hasher.hexdigest()


def _first(error: Exception) -> str:
    """What ONNX Runtime's many lines say."""
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error)).strip().split("\n")[0]
    text = re.sub(r"/\S+:\d+ .*?\) ", "", text)
    return text[:200].rstrip(". ")

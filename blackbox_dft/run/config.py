"""Configuration of a run: ``Config``, one field an option, and how it is read back from ``RUN/config.json``."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from fractions import Fraction
from typing import Any, Literal

from blackbox_dft._utils.options import described, option, validate
from blackbox_dft.errors import InputError
from blackbox_dft.evaluation.metric_names import check_metric
from blackbox_dft.images.fit_options import Filter, check_fit
from blackbox_dft.targets.options import TargetOptions

BEFORE_THE_OPTION = {
    "path": "array",
    "output_map": "none",
    "evaluate": "all",
    "start": "identity",
    "flat": "keep",
    "fit": "stretch",
}
"""What runs did that were started before there was the option, if that is not its default."""


@dataclass(frozen=True)
class Config:
    """Everything that determines a run, as ``bbdft optimize`` takes it; the help of each field is that of the command.

    A new option is a new field here or in ``TargetOptions``: its metadata is all that the command line, TOML files, the
    fingerprint and reports know of it.

    >>> config = Config("model.onnx", "labels.csv", space="affine+color", budget=6000)
    >>> config.estimator, config.target_options.provider
    ('auto', 'auto')
    """

    # Where target and data lie may change: digests of their contents are compared instead.
    target: str
    """An ONNX file, a scoring URL or ``module:function``."""
    data: str = field(
        metadata=described(
            help="CSV (file,label|class[,split]), folder of classes, or lfw:DIR, celeba:DIR, muct:DIR.",
            metavar="DATA",
            fingerprint=False,
            group="data",
        )
    )
    space: str = option(
        "auto",
        help="What may change: pixel, tanh, dct:N, grid:N, color, contrast, sharpness, affine or affine:BORDER, joined "
        "by '+'; or auto: affine+color+dct:8, and contrast if the images are dark or flat.",
        fingerprint=True,
        group="what may change",
    )
    epsilon: str = option(
        "8/255",
        help="Largest change of a pixel by additive spaces.",
        check=lambda text: _epsilon(text) and text,
        fingerprint=True,
        group="what may change",
    )
    channels: Literal["rgb", "luma"] = option(
        "rgb",
        help="Whether additive spaces change colour or brightness only.",
        fingerprint=True,
        group="what may change",
    )
    flat: Literal["stretch", "keep"] = option(
        "stretch",
        help="Whether --space auto adds contrast if the images are dark or flat.",
        fingerprint=True,
        group="what may change",
    )
    estimator: str = option(
        "auto",
        help="auto, surface, nes, spsa, finite-difference, cma-es or random; options follow a colon: nes:step=0.3.",
        fingerprint=True,
        group="search",
    )
    # A folder becomes the numbers that its tuning holds once the run is opened.
    start: str = option(
        "raced",
        help="Where the search begins: raced first tries long steps, such as zooms of .7 and 1.4, on a few images; RUN "
        "tries what that run learned, too.",
        metavar="raced|identity|RUN",
        fingerprint=True,
        group="search",
    )
    objective: str = option(
        "auto", help="auto, brier, sigmoid, cross-entropy, hinge or zero-one.", fingerprint=True, group="search"
    )
    distance_weight: float = option(
        0.0,
        help="What the mean squared perturbation of additive spaces adds to the loss, times this.",
        minimum=0,
        check=lambda weight: _finite(weight),
        fingerprint=True,
        group="search",
    )
    # A budget grows, and a search that stopped early continues: the proposals so far stay the same.
    budget: int = option(
        20_000,
        help="Hard cap on all images scored, evaluation included.",
        minimum=1,
        fingerprint=False,
        group="budget and proof",
    )
    # Recorded, so that later commands on the run name and confirm the cost too.
    price: float | None = option(
        None, help="Cost of one image scored, in your currency.", minimum=0, fingerprint=False, group="budget and proof"
    )
    known: str = option(
        "",
        help="CSV of scores you have already for unchanged images: file and a column a class, or file, label, score.",
        metavar="FILE.csv",
        fingerprint=False,
        group="budget and proof",
    )
    seed: int = option(0, help="Of the splits and the search.", minimum=0, fingerprint=True, group="search")
    repeats: int = option(
        1,
        help="For a noisy target: score every query N times, at N times the price, and take the mean.",
        minimum=1,
        fingerprint=True,
        group="budget and proof",
    )
    # What auto comes to is in the ledger.
    in_flight: int | Literal["auto"] = option(
        1,
        help="Proposals scored at once, for GPUs and targets that answer many requests side by side; their losses "
        "reach the estimator later. auto: as many as are faster, by measurement during the search.",
        metavar="N|auto",
        minimum=1,
        maximum=64,
        fingerprint=True,
        group="search",
    )
    early_stop: bool = option(
        True,
        help="End the search when going on promises less than it costs; what is left of the budget is not spent.",
        fingerprint=False,
        group="budget and proof",
    )
    # A proof may go on; which images it takes first stays the same.
    evaluate: str = option(
        "auto",
        help="Test images scored before and after: enough to prove the gain, all, or a number N; auto: enough for a "
        "URL, or if the budget does not cover all.",
        metavar="auto|enough|all|N",
        check=lambda text: _evaluate(text),
        fingerprint=False,
        group="budget and proof",
    )
    precision: float | None = option(
        None,
        help="Go on with a proof until its interval is as narrow as +- P points.",
        metavar="P",
        minimum=0.1,
        maximum=50,
        fingerprint=False,
        group="budget and proof",
    )
    output_map: Literal["auto", "none", "bias", "linear"] = option(
        "auto",
        help="Map from the model's outputs to your labels, fitted on the run's own scores: bias shifts the "
        "decision, linear uses all outputs; auto: what held-out scores prefer.",
        fingerprint=True,
        group="what may change",
    )
    views: int = option(
        1,
        help="At use, score each image under up to N changes (z, z mirrored, wider ...) and join their outputs: N "
        "queries an image; fewer if one more does not pay.",
        metavar="N",
        minimum=1,
        maximum=4,
        fingerprint=True,
        group="what may change",
    )
    map: tuple[str, ...] = option(
        (),
        help="Which classes of the model count for a label; '*' is all others.",
        metavar="LABEL=CLASS[,CLASS...]",
        fingerprint=True,
        group="data",
    )
    # A run records which of the two it took, as the last bits of scores differ.
    path: Literal["auto", "fused", "array"] = option(
        "auto",
        help="Write the change into the model's graph, or make arrays of changed images; auto: fused if possible.",
        fingerprint=True,
        group="where it runs",
    )
    # Costs become those that their file holds once the run is opened.
    metric: str = option(
        "accuracy",
        help="What is chosen by, proven and reported: accuracy, balanced-accuracy, f1 or f1:LABEL, auc or auc:LABEL, "
        "or cost:FILE, a CSV with a row a true label and a column a decision.",
        metavar="METRIC",
        check=lambda text: check_metric(text),
        fingerprint=True,
        group="budget and proof",
    )
    calibrate: bool = option(
        False,
        help="For those who set the decision threshold: report accuracy with it fitted again too; costs no query.",
        fingerprint=False,
        group="output",
    )
    encoding: str = option(
        "png", help="What the target receives: none, png or jpeg:Q.", fingerprint=True, group="model input"
    )
    fit: str = option(
        "auto",
        help="How images of another size or aspect become the model's: stretch, crop (centred), crop:.875 (that share "
        "of it), pad, pad:grey, pad:edge (a letterbox), or keep: each as it is, for a target that takes any size; "
        "auto: keep for photo services that get several sizes, else stretch.",
        metavar="FIT",
        check=lambda text: check_fit(text),
        fingerprint=True,
        group="model input",
    )
    filter: Filter = option(
        "auto",
        help="What resizes them; auto: area when shrinking, bilinear when enlarging.",
        fingerprint=True,
        group="model input",
    )
    max_side: int | None = option(
        None,
        help="With keep: photos with a longer side are made smaller.",
        minimum=1,
        metavar="N",
        fingerprint=True,
        group="model input",
    )
    # A run keeps what it found in a record of its own.
    find_input: Literal["no", "auto", "yes"] = option(
        "no",
        help="First find out from scores of training images which form of the images the model wants, with up to 600 "
        "queries of the budget; auto: for a model on this machine whose file does not say, if there is room.",
        fingerprint=False,
        group="model input",
    )
    in_doubt: Literal["auto", "count", "free"] = option(
        "auto",
        help="Whether images sent and never answered count; auto: for a URL, or a function with a price.",
        fingerprint=False,
        group="budget and proof",
    )
    reserve: float = option(
        0.125,
        help="Share of the budget kept back to score them again, if they count.",
        minimum=0,
        maximum=0.9,
        fingerprint=True,
        group="budget and proof",
    )
    skip_bad: bool = option(
        False, help="Leave out images that cannot be read, and count them.", fingerprint=True, group="data"
    )
    label: str = option(
        "",
        help="Attribute of lfw:, celeba: or muct:, or column of the CSV, that holds the labels.",
        metavar="NAME",
        fingerprint=True,
        group="data",
    )
    allow_outside: bool = option(
        False,
        help="Send a URL images outside the folder of the CSV or of the classes too, links followed.",
        fingerprint=False,
        group="data",
    )
    accept_drift: bool = option(
        False, help="Go on although the model behind a URL changes.", fingerprint=False, group="service"
    )
    target_options: TargetOptions = field(default_factory=TargetOptions)

    def __post_init__(self) -> None:
        """Checks every option; a value that can be read in one way only is kept in the type of its field.

        Raises:
            OptionError: an InputError that names the option and what it must be.
        """
        if isinstance(self.target, os.PathLike):
            object.__setattr__(self, "target", os.fspath(self.target))
        if not isinstance(self.target, str):
            raise InputError(
                f"Config(target={self.target!r}): it must be the name of an ONNX file, a URL or module:function."
            )
        if not isinstance(self.target_options, TargetOptions):
            raise InputError(f"Config(target_options={self.target_options!r}): it must be TargetOptions(...).")
        validate(self)

    def to_json(self) -> dict[str, Any]:
        """The configuration as it is written to files."""
        # Here, as spaces load NumPy, which --help does not need.
        from blackbox_dft.spaces.specs import to_file

        return {**asdict(self), "space": to_file(self.space)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Config:
        """Reads what ``to_json`` made of a configuration, in this version or an earlier one.

        Raises:
            ValueError: an unknown key.
        """
        from blackbox_dft.spaces.specs import from_file

        plain = BEFORE_THE_OPTION | _tuples(values)
        plain.pop("hedge", None)  # An option of earlier versions.
        options = TargetOptions(**_tuples(plain.pop("target_options")))
        if unknown := set(plain) - {f.name for f in fields(cls)}:
            raise ValueError(f"unknown key {sorted(unknown)[0]!r}")
        return cls(**{**plain, "space": from_file(plain["space"])}, target_options=options)


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def parse_epsilon(text: str) -> float:
    """The number that ``text`` gives as a fraction or a decimal, in (0, 1].

    >>> parse_epsilon("51/255"), parse_epsilon("0.03")
    (0.2, 0.03)

    Raises:
        InputError: anything else.
    """
    try:
        return _epsilon(text)
    except ValueError as error:
        raise InputError(f"--epsilon {text}: {error}.") from error


def _epsilon(text: str) -> float:
    try:
        value = float(Fraction(text.replace(" ", "")))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise ValueError("it is not a number: give a fraction such as 8/255") from error
    if not 0 < value <= 1:
        raise ValueError("it is outside (0, 1]: give the largest change of a pixel, such as 8/255")
    return value


def _evaluate(text: str) -> str:
    text = text.strip().lower()
    if text in ("auto", "enough", "all") or (text.isdecimal() and int(text) >= 2):
        return text
    raise ValueError("it must be auto, enough, all or a number of test images, 2 or more")


def _finite(value: float) -> float:
    if math.isinf(value):
        raise ValueError("it must be a finite number")
    return value

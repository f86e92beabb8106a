"""``bbdft export``: the change as an ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from blackbox_dft.cli.command import Command
from blackbox_dft.cli.common_options import options, take
from blackbox_dft.targets.options import TargetOptions


@click.command(cls=Command, short_help="Write the change as an ONNX graph, alone or in front of a model.")
@click.argument("tuning", metavar="RUN|tuning.npz", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT.onnx", type=click.Path(path_type=Path))
@click.option("--fuse", metavar="MODEL", type=click.Path(path_type=Path), help="Put it in front of this ONNX model.")
@click.option("--overwrite", is_flag=True, help="Replace OUT.onnx if it exists.")
@options(TargetOptions, but=("cluster",))
@click.pass_context
def export(ctx: click.Context, /, tuning: Path, out: Path, fuse: Path | None, overwrite: bool, **values: Any) -> None:
    """Write the change as an ONNX graph: image (N,3,H,W) RGB in [0, 1] -> image.

    With --fuse, one file that takes unchanged images and returns the scores of MODEL on changed ones, and probabilities
    of your labels by the output map of RUN as the output 'labels'; the options of MODEL are those of RUN unless given.
    Of several views, the file has an output for each, or MODEL as many times, and joins them in 'labels'.
    """
    from blackbox_dft.deploy.tuning import Tuning
    from blackbox_dft.errors import InputError
    from blackbox_dft.fusion.export import export_onnx, fuse_onnx
    from blackbox_dft.fusion.label_output import LabelOutput
    from blackbox_dft.images.encoding import Encoding
    from blackbox_dft.run.record import RunRecord
    from blackbox_dft.targets import make_target
    from blackbox_dft.targets.onnx.target import OnnxTarget

    learned = Tuning.load(tuning)
    if learned.fitting.keeps_sizes:
        raise InputError(f"{tuning} is for images of any size, and a graph is for one: use 'bbdft apply'.")
    if out.suffix != ".onnx":
        raise InputError(f"{out} does not end in .onnx: give it a name with that ending.")
    if out.exists() and (not overwrite or (fuse is not None and fuse.exists() and out.samefile(fuse))):
        raise InputError(f"{out} exists: take another name, or give --overwrite; MODEL itself is never replaced.")
    space = learned.make_space()
    levels = Encoding.parse(learned.encoding).levels
    views = learned.views if len(learned.views) else None
    if fuse is None:
        export_onnx(space, learned.z, learned.shape, out, levels=levels, views=views, made=learned.describe())
    else:
        given = any(ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT for name in values)
        model_options = take(TargetOptions, values)
        if not given and tuning.is_dir():
            model_options = RunRecord.read(tuning).config.target_options
        with make_target(str(fuse), model_options) as target:
            input_format = getattr(target, "input_format", None)
            if input_format is None:
                raise InputError(f"--fuse {fuse} is not an ONNX file: only those can be fused with the change.")
            labels = None
            # The scores of a model that returns bytes are not the file's own numbers.
            if (
                learned.output_map
                and learned.scores
                and isinstance(target, OnnxTarget)
                and "int8" not in target.output.type
            ):
                heads = tuple(zip(target.output_names[1:], learned.heads, strict=False))
                if len(heads) != len(learned.heads):
                    raise InputError("the output map was fitted on all outputs of the model: give --output all.")
                labels = LabelOutput(target.output.name, learned.scores, learned.output_map, learned.labels, heads)
            if views is not None and labels is None:
                raise InputError(f"--fuse {fuse} returns no scores that views can be joined by: leave out --fuse.")
            fuse_onnx(
                space,
                learned.z,
                learned.shape,
                fuse,
                out,
                input_format=input_format,
                levels=levels,
                labels=labels,
                views=views,
                made=learned.describe(),
            )
    click.echo(f"written: {out} ({out.stat().st_size / 1e6:.1f} MB)")

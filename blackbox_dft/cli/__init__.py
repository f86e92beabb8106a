"""The command line: one file a command, each thin: parse, call, print. Heavy imports wait until a command runs."""

from __future__ import annotations

import os
import sys

import click

from blackbox_dft.cli.apply import apply
from blackbox_dft.cli.compare import compare
from blackbox_dft.cli.demo import demo
from blackbox_dft.cli.evaluate import evaluate
from blackbox_dft.cli.export import export
from blackbox_dft.cli.inspect import inspect
from blackbox_dft.cli.optimize import optimize
from blackbox_dft.cli.profiles import profiles
from blackbox_dft.cli.report import report
from blackbox_dft.cli.resume import resume
from blackbox_dft.cli.serve import serve
from blackbox_dft.errors import BlackboxError
from blackbox_dft.version import __version__


class _InOrder(click.Group):
    """Lists commands in the order of their use, not by the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bbdft")
def bbdft() -> None:
    """Learn one small change shared by all your images so that a model you can only query classifies them better.

    TARGET is an ONNX file, a scoring URL or module:function. DATA is a CSV (file,label|class[,split]), a folder with
    one sub-folder per class, or a data set as it is published (lfw:DIR, celeba:DIR, muct:DIR). Exit codes: 0 success,
    2 bad input, 3 the budget cannot cover the job, 4 the target failed for good.
    """


for command in (demo, inspect, optimize, resume, evaluate, apply, export, compare, report, serve, profiles):
    bbdft.add_command(command)


def main() -> None:
    """Entry point of ``bbdft``: every expected failure is one sentence and an exit code."""
    # Scoring runs one thread per core already; threads of numpy and OpenCV would only slow it down.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    try:
        code = bbdft(standalone_mode=False, windows_expand_args=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = 2
    except click.ClickException as error:
        click.echo(f"bbdft: {error.format_message().rstrip('.')}.", err=True)
        if isinstance(error, click.UsageError) and error.ctx:
            click.echo(f"See '{error.ctx.command_path} --help'.", err=True)
        code = error.exit_code
    except BlackboxError as error:
        click.echo(f"bbdft: {error}", err=True)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("bbdft: stopped.", err=True)
        code = 130
    except BrokenPipeError:
        # The reader of the output has closed it, as head does.
        sys.stderr.close()
        code = 0
    except MemoryError:
        click.echo("bbdft: out of memory: give fewer or smaller images, or a smaller --batch.", err=True)
        code = 2
    except OSError as error:
        click.echo(
            f"bbdft: {error.filename or 'file'}: {error.strerror or error}: check the path, its rights and the disk.",
            err=True,
        )
        code = 2
    sys.exit(code if isinstance(code, int) else 0)

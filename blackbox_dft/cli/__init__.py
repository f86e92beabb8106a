"""The command line: one file a command, each thin: parse, call, print. Heavy imports wait until a command runs."""

from __future__ import annotations

import os
import sys

import click

from blackbox_dft.cli.apply import apply
from blackbox_dft.cli.cache import cache
from blackbox_dft.cli.check import check
from blackbox_dft.cli.compare import compare
from blackbox_dft.cli.completion import VARIABLE, completion
from blackbox_dft.cli.demo import demo
from blackbox_dft.cli.env import env
from blackbox_dft.cli.evaluate import evaluate
from blackbox_dft.cli.export import export
from blackbox_dft.cli.inspect import inspect
from blackbox_dft.cli.optimize import optimize
from blackbox_dft.cli.predict import predict
from blackbox_dft.cli.profiles import profiles
from blackbox_dft.cli.report import report
from blackbox_dft.cli.resume import resume
from blackbox_dft.cli.serve import serve
from blackbox_dft.cli.streams import finish_streams, open_closed_streams, print_json_error, say, say_error
from blackbox_dft.errors import BlackboxError, TargetError
from blackbox_dft.version import __version__

CODES = {2: "input", 3: "budget", 4: "target"}
"""Codes of errors in JSON, by exit code."""


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
    2 bad input, 3 the budget cannot cover the job, 4 the target failed for good, 5 'check' found drift.
    """


for command in (
    demo,
    inspect,
    optimize,
    resume,
    evaluate,
    apply,
    predict,
    check,
    export,
    compare,
    report,
    serve,
    profiles,
    completion,
    cache,
    env,
):
    bbdft.add_command(command)


def main() -> None:
    """Entry point of ``bbdft``: every expected failure is one sentence and an exit code."""
    # Scoring runs one thread per core already; threads of numpy and OpenCV would only slow it down.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    open_closed_streams()
    if VARIABLE in os.environ:
        # The shell asks; click answers and ends.
        bbdft(prog_name="bbdft", complete_var=VARIABLE)
    stdout = sys.stdout
    try:
        code = bbdft(standalone_mode=False, windows_expand_args=False)
        if code == 130:
            # The command has said how to go on.
            print_json_error("stopped", "stopped.", code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = 2
    except click.ClickException as error:
        hint = ": put a value with spaces or '*' in quotes" if "unexpected extra argument" in error.message else ""
        say_error("usage", f"{error.format_message().rstrip('.')}{hint}.", error.exit_code)
        if isinstance(error, click.UsageError) and error.ctx:
            say(f"See '{error.ctx.command_path} --help'.")
        code = error.exit_code
    except BlackboxError as error:
        say_error(CODES.get(error.exit_code, "failed"), str(error), error.exit_code)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 130
        say_error("stopped", "stopped.", code)
    except SystemExit as error:
        if sys.stdout is not stdout or isinstance(error.__context__, BrokenPipeError):
            # Raised by click, which replaces stdout: the reader of the output has closed it, as head does.
            code = 0
        else:
            # Exit codes of the command line are not those of code that it runs.
            code = TargetError.exit_code
            sentence = f"the target ended the program with sys.exit({error.code!r}): let it raise an error."
            say_error(CODES[code], sentence, code)
    except MemoryError:
        code = 2
        say_error("memory", "out of memory: give fewer or smaller images, or a smaller --batch.", code)
    except OSError as error:
        code = 2
        reason = f"{error.filename or 'output'}: {error.strerror or error}: check the path, its rights and the disk."
        say_error("system", reason, code)
    finish_streams()
    sys.exit(code if isinstance(code, int) else 0)

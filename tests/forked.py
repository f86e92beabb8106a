"""``bbdft`` in processes that are forked from one that has read the package and its libraries already.

They are processes like any other (a folder, an environment and exit codes of their own, killed by real signals) without
the second that each would take to import the same again.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

# As the command line has it; the libraries read it once.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "tests.forked",
        # Of whoever runs the tests: else every process would read it again.
        "__main__",
        "tests.fault_server",
        # What they only read when it is needed.
        *("anyio._backends._asyncio", "cma", "cv2", "h2.connection", "httpcore", "jinja2", "jmespath"),
        *("matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "matplotlib.figure"),
        *("onnx", "onnxruntime", "scipy.optimize"),
        *(
            "blackbox_dft.deploy.apply",
            "blackbox_dft.cli.progress_bar",
            "blackbox_dft.comparison.runner",
            "blackbox_dft.run.predict",
        ),
        *(
            "blackbox_dft.report.compare_report",
            "blackbox_dft.report.figures.pictures",
            "blackbox_dft.report.run_report",
        ),
        *(
            "blackbox_dft.targets.http.target",
            "blackbox_dft.targets.http.v2_protocol",
            "blackbox_dft.targets.inspection",
            "blackbox_dft.targets.onnx.target",
        ),
    ]
)


def _main(line: Sequence[str], cwd: str, environment: Mapping[str, str], out: str, err: str) -> None:
    """In the new process."""
    from blackbox_dft.cli import main

    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in ((1, out), (2, err)):
        with Path(path).open("ab") as file:
            os.dup2(file.fileno(), number)
    # As `python -m` does.
    sys.path.insert(0, cwd)
    sys.argv = ["bbdft", *line]
    main()


def start(words: Sequence[object], cwd: Path | None, out: Path, err: Path) -> BaseProcess:
    """Starts ``bbdft`` with ``words``; what it says is added to the files ``out`` and ``err``."""
    where = str(Path.cwd() if cwd is None else cwd.resolve())
    line = [str(word) for word in words]
    process = FORKS.Process(target=_main, args=(line, where, dict(os.environ), str(out.resolve()), str(err.resolve())))
    process.start()
    return process


def run(words: Sequence[object], cwd: Path | None = None, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Runs ``bbdft`` with ``words`` to its end."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = (Path(folder) / name for name in ("out", "err"))
        process = start(words, cwd, out, err)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["bbdft", *map(str, words)], timeout)
        said, complained = (path.read_text() if path.exists() else "" for path in (out, err))
        return subprocess.CompletedProcess(["bbdft", *map(str, words)], process.exitcode, said, complained)

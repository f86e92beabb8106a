"""The ledger: every image asked for and every answer, counted before it is sent and kept for good.

It stands between the estimator and the target. A run is a pure function of its configuration and of the answers written
here, so to resume is to run again from the start and be served the recorded answers; nothing else is checkpointed.

SQLite in WAL mode, one row a request (the images that travelled together)::

    requests(id, phase, asked, images, keys, answered, scores, width)   keys: images x 16 bytes; scores: float32
    proposals(id, digest)                                               what the estimator asked, step by step;
                                                                        id: course x 2**32 + step
    meta(name, value)                                                   schema version and notes of the run

A request without scores is *in doubt*: the process died between sending and hearing, so somebody may have been charged.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from blackbox_dft._utils.hashing import KEY_BYTES
from blackbox_dft._utils.types import Scores
from blackbox_dft.errors import BudgetError, InputError

LEDGER = "ledger.sqlite"
"""The file of a run that holds it."""

SCHEMA = 1

STEPS = 2**32
"""More steps than any course has."""

REUSED = "reused"
"""Phase of answers taken from another run's ledger: they cost nothing here."""

_TABLES = """
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests(
    id INTEGER PRIMARY KEY, phase TEXT NOT NULL, asked REAL NOT NULL, images INTEGER NOT NULL, keys BLOB NOT NULL,
    answered REAL, scores BLOB, width INTEGER);
CREATE TABLE IF NOT EXISTS proposals(id INTEGER PRIMARY KEY, digest BLOB NOT NULL);
"""


class ReplayError(InputError):
    """The run's course differs from the recorded one."""


class Ledger:
    """Budget, answers and replay of one run.

    ``in_doubt="count"`` counts requests that were never answered against the budget; ``"free"`` does not (a model on
    this machine charges nobody). What is written in the last ``lag`` seconds before the process is killed is lost, and
    asked again.

    Raises:
        InputError: the file is not a ledger, is of another version, is in use by another process, or cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        budget: int,
        in_doubt: Literal["count", "free"] = "count",
        durable: bool = False,
        lag: float = 0.0,
    ) -> None:
        self.path = Path(path)
        self.budget = budget
        self.counts_in_doubt = in_doubt == "count"
        self.course = 0
        """Which of several searches over the same answers ``check`` is about; a run has one."""
        self._rows: dict[bytes, int] = {}
        self._scores: Scores = np.empty((0, 0), np.float32)
        self._pending: dict[int, list[bytes]] = {}
        self._held = False
        self._lag, self._committed = lag, time.monotonic()
        try:
            self._open(durable)
        except sqlite3.Error as error:
            raise _explain(error, self.path) from error

    def _open(self, durable: bool) -> None:
        # One process at a time: SQLite's own lock is released by the kernel however the process ends.
        self._db = sqlite3.connect(self.path, timeout=0.2, isolation_level=None)
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        # NORMAL survives any death of the process; FULL survives the machine's, at one fsync a request.
        self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        # The log is folded in at 1 MB, so that a small disk does not fill up with it.
        self._db.execute("PRAGMA wal_autocheckpoint=256")
        self._db.execute("BEGIN EXCLUSIVE")
        for statement in _TABLES.split(";"):
            self._db.execute(statement)
        self._db.execute("INSERT OR IGNORE INTO meta VALUES('schema', ?)", (str(SCHEMA),))
        self._db.execute("COMMIT")
        if (found := self.recall("schema")) != str(SCHEMA):
            self._db.close()
            raise InputError(
                f"{self.path} has ledger version {found}, this program reads {SCHEMA}: take the version that made it."
            )
        self._proposals: dict[int, bytes] = dict(self._db.execute("SELECT id, digest FROM proposals"))
        self._asked = self._unanswered = 0
        rows = self._db.execute("SELECT phase, images, keys, scores, width FROM requests")
        for phase, images, keys, scores, width in rows:
            self._asked += images * (phase != REUSED)
            if scores is None:
                self._unanswered += images
            else:
                self._learn(_split(keys), np.frombuffer(scores, np.float32).reshape(images, width))
        # A process that died with requests under way left more of them unanswered than were known to be.
        self.deaths = int(self.recall("deaths") or 0) + (self._unanswered > int(self.recall("doubted") or 0))
        self.keep("deaths", str(self.deaths))
        self.keep("doubted", str(self._unanswered))

    # -- counting -----------------------------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """Images counted against the budget."""
        return self._asked - (0 if self.counts_in_doubt else self.in_doubt)

    @property
    def in_doubt(self) -> int:
        """Images asked for and never answered, their request being no longer under way."""
        return self._unanswered - sum(map(len, self._pending.values()))

    @property
    def remaining(self) -> int:
        """Images that may still be asked for."""
        return self.budget - self.total

    def doubted(self, phase: str) -> int:
        """Images of a phase whose answer never came."""
        row = self._db.execute("SELECT sum(images) FROM requests WHERE phase=? AND answered IS NULL", (phase,))
        return int(row.fetchone()[0] or 0)

    def spent(self, phase: str) -> int:
        """Images answered in a phase."""
        row = self._db.execute("SELECT sum(images) FROM requests WHERE phase=? AND answered IS NOT NULL", (phase,))
        return int(row.fetchone()[0] or 0)

    # -- answers ------------------------------------------------------------------------------------------------------

    def __contains__(self, key: bytes) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def scores(self, keys: Sequence[bytes]) -> Scores:
        """Recorded answers ``(Q, K)``; all keys must be in the ledger."""
        return self._scores[[self._rows[key] for key in keys]]

    def ask(self, phase: str, keys: Sequence[bytes]) -> int:
        """Writes down that these images are about to be sent; returns the request's number.

        Raises:
            BudgetError: they would pass the budget; nothing was written.
        """
        if len(keys) > self.remaining:
            raise BudgetError(
                f"{len(keys)} more images would pass the budget of {self.budget} "
                f"({self.total} are spent): give a larger --budget."
            )
        row = (phase, time.time(), len(keys), b"".join(keys))
        number = self._write("INSERT INTO requests(phase, asked, images, keys) VALUES(?, ?, ?, ?)", row)
        self._pending[number] = list(keys)
        self._asked += len(keys)
        self._unanswered += len(keys)
        return number

    def answer(self, request: int, scores: Scores) -> None:
        """Keeps the answer ``(images, K)`` of a request."""
        keys = self._pending[request]
        rows = np.ascontiguousarray(scores, np.float32)
        self._write(
            "UPDATE requests SET answered=?, scores=?, width=? WHERE id=?",
            (time.time(), rows.tobytes(), rows.shape[1], request),
        )
        self._unanswered -= len(self._pending.pop(request))
        self._learn(keys, rows)

    def reuse(self, other: str | Path) -> int:
        """Takes over another ledger's answers, to be served for free; returns how many there are.

        Only those to the same images under the same z by the same target are ever asked for: their keys say so.

        Raises:
            InputError: no such ledger, or one in use.
        """
        other = Path(other)
        if not other.is_file():
            raise InputError(f"{other} does not exist: give the ledger.sqlite of another run.")
        try:
            with closing(sqlite3.connect(f"{other.resolve().as_uri()}?mode=ro", uri=True, timeout=0.2)) as db:
                found = db.execute(
                    "SELECT images, keys, answered, scores, width FROM requests WHERE scores IS NOT NULL"
                ).fetchall()
        except sqlite3.Error as error:
            raise _explain(error, other) from error
        with self.together():
            return self._take(found)

    def _take(self, found: list[tuple[Any, ...]]) -> int:
        taken = 0
        for images, keys, answered, scores, width in found:
            split = _split(keys)
            if self._scores.shape[1] not in (0, width) or all(key in self._rows for key in split):
                continue
            row = (REUSED, answered, images, keys, answered, scores, width)
            statement = (
                "INSERT INTO requests(phase, asked, images, keys, answered, scores, width) VALUES(?,?,?,?,?,?,?)"
            )
            self._write(statement, row)
            self._learn(split, np.frombuffer(scores, np.float32).reshape(images, width))
            taken += images
        return taken

    def awaits(self, request: int) -> bool:
        """Whether the answer to a request of this process is still to come."""
        return request in self._pending

    def abandon(self, request: int) -> None:
        """Gives up on an answer: its images stay in doubt."""
        self._pending.pop(request)

    def withdraw(self, request: int) -> None:
        """Takes back a request that was never sent."""
        self._write("DELETE FROM requests WHERE id=?", (request,))
        count = len(self._pending.pop(request))
        self._asked -= count
        self._unanswered -= count

    def _learn(self, keys: Sequence[bytes], rows: Scores) -> None:
        start = len(self._rows)
        if self._scores.shape[1] != rows.shape[1]:
            if start:
                raise InputError(
                    f"{self.path} holds answers of {self._scores.shape[1]} scores and now got {rows.shape[1]}: "
                    "the target changed; start a new run."
                )
            self._scores = np.empty((1024, rows.shape[1]), np.float32)
        fresh = [i for i, key in enumerate(keys) if key not in self._rows]
        while start + len(fresh) > len(self._scores):
            self._scores = np.concatenate([self._scores, np.empty_like(self._scores)])
        self._scores[start : start + len(fresh)] = rows[fresh]
        self._rows.update((keys[i], start + n) for n, i in enumerate(fresh))

    # -- replay -------------------------------------------------------------------------------------------------------

    def check(self, step: int, proposal: bytes) -> None:
        """Records the digest of what the estimator asked at ``step``, or compares it with the recorded one.

        Raises:
            ReplayError: the estimator asks something else than it did before.
        """
        number = self.course * STEPS + step
        if number in self._proposals:
            if self._proposals[number] != proposal:
                raise ReplayError(
                    f"step {step} of {self.path.parent} does not repeat what was recorded (other code or library "
                    "version, or an edited configuration): go on with the version in config.json, or start a new run."
                )
            return
        self._write("INSERT INTO proposals(id, digest) VALUES(?, ?)", (number, proposal))
        self._proposals[number] = proposal

    def keep(self, name: str, value: str) -> None:
        """Writes a note of the run (not of its course)."""
        self._write("INSERT OR REPLACE INTO meta VALUES(?, ?)", (name, value))

    def recall(self, name: str) -> str | None:
        """A note written by ``keep``."""
        row = self._db.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
        return None if row is None else str(row[0])

    # -- file ---------------------------------------------------------------------------------------------------------

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is written inside is committed at its end, at once; also what was written before a failure."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
            self._commit(self._lag)

    def _write(self, statement: str, values: tuple[object, ...]) -> int:
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN")
            number = int(self._db.execute(statement, values).lastrowid or 0)
        except sqlite3.Error as error:
            raise _explain(error, self.path) from error
        if not self._held:
            self._commit(self._lag)
        return number

    def _commit(self, lag: float = 0.0) -> None:
        """Unless that was done less than ``lag`` seconds ago."""
        if lag and time.monotonic() - self._committed < lag:
            return
        try:
            if self._db.in_transaction:
                self._db.execute("COMMIT")
            self._committed = time.monotonic()
        except sqlite3.Error as error:
            raise _explain(error, self.path) from error

    def close(self) -> None:
        """Folds the log into the file and lets go of it."""
        try:
            # Who comes to this line has not died.
            self.keep("doubted", str(self._unanswered))
            self._commit()
        finally:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _split(keys: bytes) -> list[bytes]:
    return [keys[i : i + KEY_BYTES] for i in range(0, len(keys), KEY_BYTES)]


def _explain(error: sqlite3.Error, path: Path) -> InputError:
    text = str(error)
    if "locked" in text or "busy" in text:
        return InputError(f"{path.parent} is in use by another process: wait for it, or take another --out.")
    if "full" in text:
        return InputError(
            f"the disk of {path.parent} is full: make room, then go on with 'bbdft resume {path.parent}'."
        )
    if "not a database" in text or "malformed" in text:
        return InputError(f"{path} is not a ledger of bbdft: take another --out, or restore the file.")
    return InputError(f"cannot write {path} ({text}): check that the folder exists and may be written.")

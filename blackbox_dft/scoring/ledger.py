"""The ledger: every query is reserved before it is sent, and its scores are recorded for good.

It stands between the estimator and the target. A run is a pure function of its configuration and of the scores recorded
here, so to resume is to run again from the start with the recorded scores; nothing else is checkpointed.

SQLite in WAL mode, one row a request (the images that travelled together)::

    requests(id, phase, asked, images, keys, answered, scores, width)   keys: images x 16 bytes; scores: float32
    proposals(id, digest)                                               the estimator's proposals, step by step;
                                                                        id: trajectory x 2**32 + step
    meta(name, value)                                                   schema version and notes of the run

A request without scores is *in doubt*: the process died after sending it, so it may have been charged. The row of an
image for which the target returned no score (NaN, or zeros alone) is recorded like any other: it was paid for, and a
resumed run must see what the run saw.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from blackbox_dft._utils.hashing import KEY_BYTES
from blackbox_dft._utils.types import Scores
from blackbox_dft.errors import BudgetError, InputError
from blackbox_dft.objectives.outputs import rows_with_scores

LEDGER = "ledger.sqlite"
"""Its file in the folder of a run."""

SCHEMA = 1

MAX_STEPS = 2**32
"""More than any trajectory has."""

REUSED = "reused"
"""Phase of scores copied from another run's ledger: they cost nothing here."""

_TABLES = """
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests(
    id INTEGER PRIMARY KEY, phase TEXT NOT NULL, asked REAL NOT NULL, images INTEGER NOT NULL, keys BLOB NOT NULL,
    answered REAL, scores BLOB, width INTEGER);
CREATE TABLE IF NOT EXISTS proposals(id INTEGER PRIMARY KEY, digest BLOB NOT NULL);
"""
# Replacing, so that a commit that failed half way, as the disk was full, can be tried again.
_REQUEST = (
    "INSERT OR REPLACE INTO requests(id, phase, asked, images, keys, answered, scores, width) VALUES(?,?,?,?,?,?,?,?)"
)
_ANSWER = "UPDATE requests SET answered=?, scores=?, width=? WHERE id=?"
_PROPOSAL = "INSERT OR REPLACE INTO proposals(id, digest) VALUES(?, ?)"


class ReplayError(InputError):
    """A proposal differs from the recorded one."""


class Ledger:
    """Budget, scores and replay of one run.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "ledger.sqlite", budget=10) as ledger:
    ...     request = ledger.reserve("tune", [b"key of image one", b"key of image two"])
    ...     ledger.record(request, np.array([[0.1, 0.9], [0.8, 0.2]], np.float32))
    ...     ledger.remaining, b"key of image two" in ledger
    (8, True)

    Args:
        path: the SQLite file; created if missing.
        budget: queries that may be reserved in all.
        in_doubt: whether requests in doubt count against the budget; ``"free"`` for a model on this machine.
        durable: survive the machine's crash too, at one fsync a commit.
        lag: seconds between commits, at most; what is not committed when the process is killed is scored again.

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
        self.trajectory = 0
        """Which of several searches over the same scores ``check_replay`` is about; a run has one."""
        self._rows: dict[bytes, int] = {}
        self._free: set[bytes] = set()
        self._scores: Scores = np.empty((0, 0), np.float32)
        self._filled = 0
        """Rows of ``_scores`` in use; more than there are keys once some were forgotten."""
        self._pending: dict[int, list[bytes]] = {}
        self._under_way = 0
        """Queries of those."""
        # What the next commit writes, all at once: a statement costs more than a row.
        self._new_requests: dict[int, tuple[Any, ...]] = {}
        self._new_answers: list[tuple[Any, ...]] = []
        self._new_proposals: list[tuple[int, bytes]] = []
        self._in_transaction = False
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
        if (found := self.note("schema")) != str(SCHEMA):
            self._db.close()
            raise InputError(
                f"{self.path} has ledger version {found}, this program reads {SCHEMA}: take the version that made it."
            )
        self._proposals: dict[int, bytes] = dict(self._db.execute("SELECT id, digest FROM proposals"))
        self._last_number = int(self._db.execute("SELECT max(id) FROM requests").fetchone()[0] or 0)
        self._reserved = self._unanswered = 0
        rows = self._db.execute("SELECT phase, images, keys, scores, width FROM requests")
        for phase, images, keys, scores, width in rows:
            self._reserved += images * (phase != REUSED)
            if scores is None:
                self._unanswered += images
            else:
                if phase == REUSED:
                    self._free.update(key for key in _split(keys) if key not in self._rows)
                self._index(_split(keys), np.frombuffer(scores, np.float32).reshape(images, width))
        # A process that died with requests under way left more of them unanswered than the last clean shutdown stored.
        self.crashes = int(self.note("deaths") or 0) + (self._unanswered > int(self.note("doubted") or 0))
        self.set_note("deaths", str(self.crashes))
        self.set_note("doubted", str(self._unanswered))

    # -- counting -----------------------------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """Queries counted against the budget."""
        return self._reserved - (0 if self.counts_in_doubt else self.in_doubt)

    @property
    def in_doubt(self) -> int:
        """Queries that were sent and never answered, and are no longer under way."""
        return self._unanswered - self._under_way

    @property
    def remaining(self) -> int:
        """Queries that may still be reserved."""
        return self.budget - self.total

    @property
    def halvings(self) -> int:
        """How many times to halve the number of requests at once: once a crash of this run, if doubt costs money."""
        return self.crashes if self.counts_in_doubt else 0

    def in_doubt_of(self, phase: str) -> int:
        """Queries of a phase that were never answered."""
        self._flush()
        row = self._db.execute("SELECT sum(images) FROM requests WHERE phase=? AND answered IS NULL", (phase,))
        return int(row.fetchone()[0] or 0)

    def spent(self, phase: str) -> int:
        """Queries of a phase that were answered."""
        self._flush()
        row = self._db.execute("SELECT sum(images) FROM requests WHERE phase=? AND answered IS NOT NULL", (phase,))
        return int(row.fetchone()[0] or 0)

    # -- scores -------------------------------------------------------------------------------------------------------

    def __contains__(self, key: bytes) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def missing(self, keys: Sequence[bytes], positions: Sequence[int]) -> list[int]:
        """Those of ``positions`` whose keys are not in the ledger."""
        rows = self._rows
        return [position for position in positions if keys[position] not in rows]

    def scores(self, keys: Sequence[bytes]) -> Scores:
        """Recorded scores ``(Q, K)``; all keys must be in the ledger."""
        return self._scores[np.fromiter(map(self._rows.__getitem__, keys), np.int64, len(keys))]

    def reserve(self, phase: str, keys: Sequence[bytes]) -> int:
        """Counts a request that is about to be sent against the budget; returns its number.

        Raises:
            BudgetError: it would pass the budget; nothing was written.
        """
        if len(keys) > self.remaining:
            raise BudgetError(
                f"{len(keys)} more images would pass the budget of {self.budget} "
                f"({self.total} are spent): give a larger --budget."
            )
        number = self._add((phase, time.time(), len(keys), b"".join(keys), None, None, None))
        self._pending[number] = list(keys)
        self._under_way += len(keys)
        self._reserved += len(keys)
        self._unanswered += len(keys)
        self._changed()
        return number

    def _add(self, row: tuple[Any, ...]) -> int:
        """Queues a row of ``requests``, without its id, for the next commit; returns its id."""
        self._last_number += 1
        self._new_requests[self._last_number] = (self._last_number, *row)
        return self._last_number

    def record(self, request: int, scores: Scores) -> None:
        """Records the scores ``(images, K)`` of a request."""
        keys = self._pending[request]
        rows = np.ascontiguousarray(scores, np.float32)
        answer = (time.time(), rows.tobytes(), rows.shape[1])
        if row := self._new_requests.get(request):
            self._new_requests[request] = row[: -len(answer)] + answer
        else:
            self._new_answers.append((*answer, request))
        del self._pending[request]
        self._unanswered -= len(keys)
        self._under_way -= len(keys)
        self._index(keys, rows)
        self._changed()

    def reuse(self, other: str | Path) -> int:
        """Copies another ledger's scores, which are free here; returns how many there are.

        Only those of the same images under the same z by the same target are ever used: their keys say so.

        Raises:
            InputError: no such ledger, or one in use.
        """
        found = _answered(Path(other))
        with self.transaction():
            return self._take(found)

    def enter(self, keys: Sequence[bytes], scores: Scores) -> None:
        """Records scores ``(N, K)`` that are known from elsewhere; they are free. Those recorded before stay."""
        new = [number for number, key in enumerate(keys) if key not in self._rows]
        if new:
            rows = np.ascontiguousarray(scores[new], np.float32)
            joined = b"".join(keys[number] for number in new)
            with self.transaction():
                self._take([(len(new), joined, time.time(), rows.tobytes(), rows.shape[1])])

    def is_free(self, key: bytes) -> bool:
        """Whether the scores of a key were copied from another ledger, or known."""
        return key in self._free

    @property
    def has_free(self) -> bool:
        """Whether any scores are free."""
        return bool(self._free)

    def _take(self, found: list[tuple[Any, ...]]) -> int:
        taken = 0
        for images, keys, answered, scores, width in found:
            split = _split(keys)
            if self._scores.shape[1] not in (0, width) or all(key in self._rows for key in split):
                continue
            self._add((REUSED, answered, images, keys, answered, scores, width))
            self._free.update(key for key in split if key not in self._rows)
            self._index(split, np.frombuffer(scores, np.float32).reshape(images, width))
            taken += images
        self._changed()
        return taken

    def is_pending(self, request: int) -> bool:
        """Whether a request of this process is reserved and neither recorded nor given up."""
        return request in self._pending

    def abandon(self, request: int) -> None:
        """Gives up on a response: its queries stay in doubt."""
        self._under_way -= len(self._pending.pop(request))

    def withdraw(self, request: int) -> None:
        """Takes back the reservation of a request that was never sent."""
        count = len(self._pending.pop(request))
        self._under_way -= count
        self._reserved -= count
        self._unanswered -= count
        if self._new_requests.pop(request, None) is None:
            self._write("DELETE FROM requests WHERE id=?", (request,))

    def forget_scoreless(self, keys: Sequence[bytes]) -> None:
        """Takes back the scores of requests that hold any of ``keys`` and not one score: they are in doubt again.

        For a target that stopped returning scores: its empty responses were paid for and stay counted, but a resumed
        run sends the requests again.
        """
        wanted = set(keys)
        self._flush()
        rows = self._db.execute("SELECT id, phase, images, keys, scores, width FROM requests WHERE scores IS NOT NULL")
        for number, phase, images, joined, scores, width in rows.fetchall():
            held = _split(joined)
            if wanted.isdisjoint(held):
                continue
            if rows_with_scores(np.frombuffer(scores, np.float32).reshape(images, width)).any():
                continue
            if phase == REUSED:
                self._write("DELETE FROM requests WHERE id=?", (number,))
            else:
                self._write("UPDATE requests SET answered=NULL, scores=NULL, width=NULL WHERE id=?", (number,))
                self._unanswered += images
            for key in held:
                self._rows.pop(key, None)

    def _index(self, keys: Sequence[bytes], rows: Scores) -> None:
        start = self._filled
        if self._scores.shape[1] != rows.shape[1]:
            if start:
                raise InputError(
                    f"{self.path} holds {self._scores.shape[1]} scores an image and the target now gave "
                    f"{rows.shape[1]}: it changed; start a new run."
                )
            self._scores = np.empty((1024, rows.shape[1]), np.float32)
        if not self._rows.keys().isdisjoint(keys):
            fresh = [i for i, key in enumerate(keys) if key not in self._rows]
            keys, rows = [keys[i] for i in fresh], rows[fresh]
        end = start + len(keys)
        while end > len(self._scores):
            self._scores = np.concatenate([self._scores, np.empty_like(self._scores)])
        self._scores[start:end] = rows
        self._rows.update(zip(keys, range(start, end), strict=True))
        self._filled = end

    # -- replay -------------------------------------------------------------------------------------------------------

    def check_replay(self, step: int, proposal: bytes) -> None:
        """Records the digest of the proposal at ``step``, or compares it with the recorded one.

        Raises:
            ReplayError: the estimator proposes something else than it did before.
        """
        number = self.trajectory * MAX_STEPS + step
        if number in self._proposals:
            if self._proposals[number] != proposal:
                raise ReplayError(
                    f"step {step} of {self.path.parent} does not repeat what was recorded (other code or library "
                    "version, or an edited configuration): go on with the version in config.json, or start a new run."
                )
            return
        self._new_proposals.append((number, proposal))
        self._proposals[number] = proposal
        self._changed()

    def set_note(self, name: str, value: str) -> None:
        """Writes a note about the run."""
        self._write("INSERT OR REPLACE INTO meta VALUES(?, ?)", (name, value))

    def note(self, name: str) -> str | None:
        """What ``set_note`` wrote."""
        row = self._db.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
        return None if row is None else str(row[0])

    # -- file ---------------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits all that is written inside at once, at its end; also what was written before a failure."""
        self._in_transaction = True
        try:
            yield
        finally:
            self._in_transaction = False
            self._commit(self._lag)

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN")
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise _explain(error, self.path) from error
        self._changed()

    def _changed(self) -> None:
        if not self._in_transaction:
            self._commit(self._lag)

    def _flush(self) -> None:
        """Writes what is queued, without committing it."""
        if not (self._new_requests or self._new_answers or self._new_proposals):
            return
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN")
            self._db.executemany(_REQUEST, self._new_requests.values())
            self._db.executemany(_ANSWER, self._new_answers)
            self._db.executemany(_PROPOSAL, self._new_proposals)
        except sqlite3.Error as error:
            raise _explain(error, self.path) from error
        self._new_requests.clear()
        self._new_answers.clear()
        self._new_proposals.clear()

    def _commit(self, lag: float = 0.0) -> None:
        """Commits, unless the last commit is less than ``lag`` seconds old."""
        if lag and time.monotonic() - self._committed < lag:
            return
        self._flush()
        try:
            if self._db.in_transaction:
                self._db.execute("COMMIT")
            self._committed = time.monotonic()
        except sqlite3.Error as error:
            raise _explain(error, self.path) from error

    def close(self) -> None:
        """Folds SQLite's log into the file and closes it."""
        try:
            # Clean shutdown: store the number of unanswered requests.
            self.set_note("doubted", str(self._unanswered))
            self._commit()
        finally:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def count_queries(path: Path) -> tuple[int, int] | None:
    """How many queries the ledger in the file ``path`` has, and how many of them have scores; None if it is no ledger.

    Those whose scores are copied from other ledgers do not count.

    Raises:
        InputError: it is in use by another process.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=0.2)) as db:
            row = db.execute(
                "SELECT sum(images), sum(CASE WHEN scores IS NULL THEN 0 ELSE images END) "
                "FROM requests WHERE phase != ?",
                (REUSED,),
            ).fetchone()
    except sqlite3.Error as error:
        if "locked" in str(error) or "busy" in str(error):
            raise _explain(error, path) from error
        return None
    return int(row[0] or 0), int(row[1] or 0)


def recorded_scores(path: str | Path, keys: Collection[bytes]) -> dict[bytes, Scores]:
    """Scores ``(K,)`` that the ledger in ``path`` has for any of ``keys``; nothing is written there.

    Raises:
        InputError: no such ledger, or one in use.
    """
    wanted = set(keys)
    found: dict[bytes, Scores] = {}
    for images, joined, _, scores, width in _answered(Path(path)):
        held = _split(joined)
        if not wanted.isdisjoint(held):
            rows = np.frombuffer(scores, np.float32).reshape(images, width)
            found |= {key: row for key, row in zip(held, rows, strict=True) if key in wanted}
    return found


def _answered(path: Path) -> list[tuple[Any, ...]]:
    """Images, keys, time, scores and width of the requests that the ledger in ``path``, or in that folder, recorded."""
    if (path / LEDGER).is_file():
        path = path / LEDGER  # The folder of a run.
    if not path.is_file():
        what = "holds no run" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {what}: give the ledger.sqlite of another run.")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=0.2)) as db:
            return db.execute(
                "SELECT images, keys, answered, scores, width FROM requests WHERE scores IS NOT NULL"
            ).fetchall()
    except sqlite3.Error as error:
        raise _explain(error, path) from error


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

"""Exceptions: one class for each exit code of the command line.

::

    BlackboxError
     ├── InputError    exit 2: a file, an option or a value cannot be used
     ├── BudgetError   exit 3: the budget cannot cover the job
     └── TargetError   exit 4: the target failed for good
          ├── LostAnswer   only if retries do not help: the request may be sent again
          │    └── NotFiniteScores   never: if retries do not help, the images have no score
          ├── MisfitError  to send the same images again cannot help
          └── DriftError   the model behind a URL has changed

Exit code 5 is no error: ``bbdft check`` did its work, and found that the model has changed.

A message is one sentence: what is wrong, where, and how to mend it.
"""

from typing import Any

DRIFT_FOUND = 5
"""Exit code of ``bbdft check`` if the model has changed."""


class BlackboxError(Exception):
    """Base of all errors that the command line prints as one sentence, without a traceback."""

    exit_code = 1


class InputError(BlackboxError):
    """A file, an option or a value cannot be used."""

    exit_code = 2


class BudgetError(BlackboxError):
    """The budget cannot cover the job."""

    exit_code = 3


class TargetError(BlackboxError):
    """The target failed for good; all scores it returned before are in the ledger."""

    exit_code = 4


class LostAnswer(TargetError):  # noqa: N818 - retries usually keep it from becoming an error
    """A request was sent and no usable response came back: it may have been charged, and it may be sent again."""


class NotFiniteScores(LostAnswer):
    """A response holds NaN or infinite scores: transient, or what the model has for these images.

    Args:
        message: one sentence.
        scores: ``(N, K)`` float32, as they came.
    """

    def __init__(self, message: str, scores: Any) -> None:
        super().__init__(message)
        self.scores = scores


class MisfitError(TargetError):
    """What the target returns does not fit what is known of it: other options are needed, and with them a new run."""


class DriftError(TargetError):
    """The model behind a URL has changed: a run goes on only if that is accepted."""

"""Everything a user can get wrong or a target can do wrong, one class for each exit code of the command line.

::

    BlackboxError
     ├── InputError    exit 2: a file, an option or a value is not what it must be
     ├── BudgetError   exit 3: the budget cannot cover the job
     └── TargetError   exit 4: the target failed for good
          └── LostAnswer   not yet: the images may be asked for again

A message is one sentence: what, where, and the mend.
"""


class BlackboxError(Exception):
    """Base of all errors that end in one sentence instead of a traceback."""

    exit_code = 1


class InputError(BlackboxError):
    """A file, an option or a value is not what it must be."""

    exit_code = 2


class BudgetError(BlackboxError):
    """The budget cannot cover what was asked for."""

    exit_code = 3


class TargetError(BlackboxError):
    """The target failed for good; everything it answered before is in the ledger."""

    exit_code = 4


class LostAnswer(TargetError):  # noqa: N818 - it need not become one
    """The images were sent and no usable answer came back: somebody may have been charged, and may be asked again."""

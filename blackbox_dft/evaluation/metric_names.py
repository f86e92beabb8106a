"""Values of ``--metric``: their names and what may follow a colon; NumPy is not needed to check them."""

from __future__ import annotations

ACCURACY, BALANCED_ACCURACY, F1, AUC, COST = "accuracy", "balanced-accuracy", "f1", "auc", "cost"
NAMES = (ACCURACY, BALANCED_ACCURACY, F1, AUC, COST)


def split_metric(text: str) -> tuple[str, str]:
    """The name of a metric and what follows the colon: a label, or the costs.

    >>> split_metric("f1:smile"), split_metric("accuracy")
    (('f1', 'smile'), ('accuracy', ''))
    """
    name, _, rest = text.partition(":")
    return name.strip().lower(), rest.strip()


def check_metric(text: str) -> str:
    """A value of ``--metric`` without needless spaces.

    >>> check_metric(" F1 : smile")
    'f1:smile'

    Raises:
        ValueError: there is no such metric; the text says what it must be.
    """
    name, rest = split_metric(text)
    if name not in NAMES:
        raise ValueError(
            "it must be accuracy, balanced-accuracy, f1, f1:LABEL, auc, auc:LABEL or cost:FILE, whose table holds the "
            "cost of every decision"
        )
    if name == COST and not rest:
        raise ValueError("it needs the table of costs: give cost:FILE.csv, a row a true label, a column a decision")
    if name in (ACCURACY, BALANCED_ACCURACY) and rest:
        raise ValueError(f"it takes nothing after the colon: give {name}")
    return f"{name}:{rest}" if rest else name

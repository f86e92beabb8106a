"""What ONNX Runtime and ONNX say of a failure, short enough for an error of one sentence."""

from __future__ import annotations

import re

MAX_REASON_CHARACTERS = 300


def reason(error: Exception) -> str:
    """The facts of an error of ONNX or ONNX Runtime on one line, without codes, source lines and stack traces.

    >>> reason(ValueError("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input: x for the "
    ...                   "following indices\\n index: 2 Got: 9 Expected: 8\\n Please fix either the inputs."))
    'Got invalid dimensions for input: x for the following indices, index: 2 Got: 9 Expected: 8'
    """
    lines = [line.strip() for line in str(error).strip().split("\n")]
    # What follows the first line is a stack or advice, except for the numbers that do not fit.
    kept = [lines[0], *(line for line in lines[1:] if re.search(r"\b(Got|Expected)\b", line))]
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", ", ".join(kept))
    # The place in ONNX Runtime's source, up to the condition that did not hold.
    text = re.sub(r"/\S+:\d+ .*?\) (?=\S)", "", text)
    if len(text) > MAX_REASON_CHARACTERS:
        # The numbers stand at the end.
        half = MAX_REASON_CHARACTERS // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return text.strip(". ") or type(error).__name__

"""Errors of ONNX Runtime keep their numbers on one line."""

from blackbox_dft.targets.onnx.runtime_errors import MAX_REASON_CHARACTERS, reason


def test_codes_and_source_lines_are_left_out() -> None:
    text = (
        "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Reshape node. Name:'r' "
        "Status Message: /onnxruntime_src/core/reshape_helper.h:84 onnxruntime::ReshapeHelper::ReshapeHelper(const "
        "onnxruntime::TensorShape&, bool) size != 0 was false. Input shape:{2,3,9,8}, requested shape:{-1,191}\n"
    )
    shown = reason(RuntimeError(text))
    assert shown.startswith("Non-zero status code returned while running Reshape node")
    assert shown.endswith("Input shape:{2,3,9,8}, requested shape:{-1,191}")
    assert "onnxruntime_src" not in shown


def test_what_was_got_and_expected_is_kept() -> None:
    text = (
        "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input: x for the following indices\n"
        " index: 2 Got: 9 Expected: 8\n index: 3 Got: 9 Expected: 8\n Please fix either the inputs or the model."
    )
    assert reason(RuntimeError(text)) == (
        "Got invalid dimensions for input: x for the following indices, index: 2 Got: 9 Expected: 8, "
        "index: 3 Got: 9 Expected: 8"
    )


def test_long_and_empty_texts() -> None:
    assert reason(ValueError("")) == "ValueError"
    shown = reason(ValueError("a" * 900 + " at the end: 24"))
    assert len(shown) <= MAX_REASON_CHARACTERS + 5
    assert shown.endswith("24")

"""What a command says on stderr."""


def errors(stderr: str) -> list[str]:
    """The lines without those of warnings, which come also if a command is quiet."""
    return [line for line in stderr.splitlines() if not line.startswith("WARNING: ")]

"""``python -m blackbox_dft`` is ``bbdft``."""

from blackbox_dft.cli import main

main()

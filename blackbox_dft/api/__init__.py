"""The Python interface: runs from objects instead of files, results to hold, messages in Python's words."""

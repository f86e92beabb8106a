"""Where images are changed and scored: in this process, or on a Ray cluster."""

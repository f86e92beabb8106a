"""A model behind the Open Inference Protocol V2, to try the HTTP path with."""

"""Image files and arrays: reading, writing, encodings, bytes <-> floats, similarity."""

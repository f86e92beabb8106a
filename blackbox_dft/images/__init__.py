"""Images as files, bytes and arrays: reading, writing, encoding, and how similar two are."""

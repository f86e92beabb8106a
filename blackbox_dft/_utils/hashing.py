"""Digests (BLAKE2b, 16 bytes) that identify images, requests and configurations."""

from __future__ import annotations

from hashlib import blake2b

KEY_BYTES = 16


def digest(*parts: bytes | str) -> bytes:
    """16-byte digest of a sequence of texts or bytes; each part goes in with its length, so no two sequences collide.

    >>> digest("ab", "c") == digest("a", "bc")
    False
    """
    hasher = blake2b(digest_size=KEY_BYTES)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "little"))
        hasher.update(data)
    return hasher.digest()

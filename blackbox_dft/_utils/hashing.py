"""Digests of things, as the ledger and others know them by."""

from __future__ import annotations

from hashlib import blake2b

KEY_BYTES = 16


def digest(*parts: bytes | str) -> bytes:
    """16 bytes that stand for the parts, which cannot be mistaken for other parts."""
    hasher = blake2b(digest_size=KEY_BYTES)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "little"))
        hasher.update(data)
    return hasher.digest()

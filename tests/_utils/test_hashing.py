"""Digests: fixed values (they are stored in ledgers), and no two sequences of parts alike."""

from hashlib import blake2b

from blackbox_dft._utils.hashing import KEY_BYTES, digest


def test_a_digest_is_blake2b_of_parts_with_their_lengths() -> None:
    content = b"\x01\0\0\0\0\0\0\0a" + b"\x02\0\0\0\0\0\0\0\xc3\xa4"
    assert digest(b"a", "ä") == blake2b(content, digest_size=16).digest()
    assert len(digest()) == KEY_BYTES == 16


def test_the_borders_between_parts_count() -> None:
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("abc", "")}) == 4

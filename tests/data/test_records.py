"""Listings: where the file of a row is."""

from pathlib import Path

from blackbox_dft.data.published.archive import Member
from blackbox_dft.data.records import Listing, Row


def test_a_file_is_in_the_folder_unless_it_is_a_member_of_an_archive() -> None:
    row = Row("cat/1.png", "cat")
    assert Listing(Path("data"), (row,), "").location(row) == Path("data/cat/1.png")
    member = object.__new__(Member)
    assert Listing(Path("data"), (row,), "", members={"cat/1.png": member}).location(row) is member

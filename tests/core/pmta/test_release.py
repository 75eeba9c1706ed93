"""Releases of PowerMTA: one notion of what is written, what is the same and what is older."""

import pytest

from email_engine.fleet import names
from email_engine.pmta.release import Release, find_release


@pytest.mark.parametrize("text", ["4.5", "5.0", "5.0r5", "5.0r12", "5.0.1", "5.0.1r2"])
def test_a_release_is_written_as_it_was_read(text: str) -> None:
    assert str(Release.parse(text)) == text
    assert Release.read(f" {text} (build 7)\n") == Release.parse(text)
    assert names.version(text) is None


@pytest.mark.parametrize(
    "text", ["5", "", "five", "5.", "5.0r", "5.0r5x", "v5.0", "5.0.1.2", "5.0 ", "\u0665.0", "r5"]
)
def test_what_is_no_release_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as 5\.0 or 5\.0r5"):
        Release.parse(text)
    assert names.version(text) == "a PowerMTA version such as 5.0 or 5.0r5"


@pytest.mark.parametrize(
    ("seen", "wanted", "same"),
    [
        ("5.0r5", "5.0r5", True), ("5.0r5", "5.0", True), ("5.0", "5.0", True), ("5.0r50", "5.0r5", False),
        ("5.0r1", "5.0r5", False), ("5.5", "5.0", False), ("5.01", "5.0", False), ("4.5r12", "4.5", True),
        ("5.0", "5.0r5", False), ("5.0.1", "5.0", True), ("5.0.1r2", "5.0.1", True), ("5.0.2", "5.0.1", False),
        ("5.0r5", "5.0.1", False), ("50.0", "5.0", False),
    ],
)  # fmt: skip
def test_a_release_without_its_revision_means_all_of_them(seen: str, wanted: str, same: bool) -> None:
    assert Release.parse(wanted).covers(Release.parse(seen)) is same


@pytest.mark.parametrize(
    ("have", "first", "precedes", "reaches"),
    [
        ("4.5", "5.0r5", True, False), ("5.0r4", "5.0r5", True, False), ("5.0", "5.0r5", False, False),
        ("5.0r5", "5.0r5", False, True), ("5.0r12", "5.0r5", False, True), ("5.5", "5.0r5", False, True),
        ("4.5r12", "5.0", True, False), ("10.0", "5.0r5", False, True),
    ],
)  # fmt: skip
def test_older_and_newer_are_only_what_is_sure(have: str, first: str, precedes: bool, reaches: bool) -> None:
    one, other = Release.parse(have), Release.parse(first)
    assert (one.surely_precedes(other), one.surely_reaches(other)) == (precedes, reaches)


@pytest.mark.parametrize(
    ("text", "found"),
    [("PowerMTA v5.0, 5.0r5 of today", "5.0r5"), ("version 4.5", "4.5"), ("no number", None), ("", None), ("5", None)],
)  # fmt: skip
def test_a_release_is_found_in_what_powermta_tells(text: str, found: str | None) -> None:
    assert find_release(text) == found
    assert Release.read("none") is None

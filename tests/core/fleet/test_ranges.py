"""IP ranges, number ranges and how items are dealt among hosts."""

import pytest

from email_engine.fleet.ranges import count_from, deal_in_blocks, parse_numbers, parse_range


@pytest.mark.parametrize(
    ("text", "first", "last", "count"),
    [
        ("45.123.10.1-50", "45.123.10.1", "45.123.10.50", 50),
        ("45.123.10.1 - 50", "45.123.10.1", "45.123.10.50", 50),
        ("45.123.10.7-7", "45.123.10.7", "45.123.10.7", 1),
        ("45.123.10.250-45.123.11.5", "45.123.10.250", "45.123.11.5", 10),
        ("2001:db8::fe-2001:db8::101", "2001:db8::fe", "2001:db8::101", 4),
    ],
)
def test_a_range_includes_both_ends_and_steps_over_0_and_255(
    text: str, first: str, last: str, count: int
) -> None:
    found = parse_range(text)
    assert (str(found[0]), str(found[-1]), len(found)) == (first, last, count)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("45.123.10.50-1", "does not follow"),
        ("45.123.10.1-256", "256"),
        ("45.123.10.0-50", r"ends in \.0"),
        ("45.123.10.1-255", r"ends in \.255"),
        ("45.123.10.1", "is no range"),
        ("45.123.10.0/24", "is no range"),
        ("45.1.1.1-2001:db8::1", "does not follow"),
        ("45.1.1.1-46.1.1.1", "more than 4096"),
        ("10.0.0.1-5", "a private or reserved address"),
    ],
)
def test_a_range_that_is_none_says_why(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_range(text)


def test_a_thousand_addresses_cross_borders_without_0_and_255() -> None:
    found = count_from("45.123.10.1", 1000)
    assert len(set(found)) == 1000
    assert str(found[253]) == "45.123.10.254"
    assert str(found[254]) == "45.123.11.1"
    assert str(found[-1]) == "45.123.13.238"


def test_counting_out_of_public_space_is_refused() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.1 is a private"):
        count_from("9.255.255.250", 20)


def test_numbers_are_singles_and_ranges() -> None:
    assert parse_numbers("1-3, 7,9-9") == {1, 2, 3, 7, 9}


@pytest.mark.parametrize(
    ("count", "hosts", "dealt"),
    [
        (4, ("a", "b"), "aabb"),
        (5, ("a", "b"), "aaabb"),
        (2, ("a", "b", "c"), "ab"),
        (3, ("a",), "aaa"),
        (0, ("a",), ""),
    ],
)
def test_items_are_dealt_in_blocks(count: int, hosts: tuple[str, ...], dealt: str) -> None:
    assert "".join(deal_in_blocks(count, hosts)) == dealt

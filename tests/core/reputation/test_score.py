"""The score: what it is made of, its band, and when it may act."""

import numpy as np
import pytest

from email_engine.reputation.score import NO_SCORE, Score, ScorePolicy, scores

POINTS = {"bounces": 30, "complaints": 30, "blocks": 30, "deferrals": 20, "listed": 30, "dns": 10}
POLICY = ScorePolicy(days=14, min_messages=200, points=POINTS, pooling=2, slow_below=70, pause_below=50)
LIMITS = {"bounces": 0.05, "complaints": 0.001, "blocks": 0.02, "deferrals": 0.1}


def levels(messages: int, **bad: int) -> list[list[tuple[int, int]]]:
    """Of an IP without neighbours."""
    return [[(0, 0), (0, 0), (bad.get(name, 0), messages)] for name in LIMITS]


def of(messages: int, listed: bool = False, dns: bool = False, **bad: int) -> Score:
    (found,) = scores(np.array([levels(messages, **bad)]), [listed], [dns], LIMITS, POLICY)
    return found


def test_good_mail_scores_nearly_all() -> None:
    found = of(10_000, bounces=100)
    assert (found.value, found.known) == (99, True)
    assert found.low <= 99 <= found.high
    assert not found.surely_below(70)


@pytest.mark.parametrize(
    ("bad", "value"),
    [
        ({"bounces": 5000}, 70),
        ({"complaints": 100}, 70),
        ({"blocks": 2000}, 70),
        ({"deferrals": 10_000}, 80),
        ({"bounces": 50_000}, 40),
        ({"deferrals": 90_000}, 60),
        ({"bounces": 5000, "complaints": 100}, 40),
    ],
    ids=["at the limit of bounces", "of complaints", "of blocks", "of deferrals", "no part costs more than twice its points", "deferrals alone never pause", "parts add up"],
)  # fmt: skip
def test_at_its_limit_a_part_costs_its_points(bad: dict[str, int], value: int) -> None:
    assert of(100_000, **bad).value == pytest.approx(value, abs=1)


def test_listed_and_broken_dns_cost_points_without_a_band() -> None:
    assert of(100_000, listed=True, dns=True).value == 60
    assert of(100_000, listed=True).surely_below(70) is False
    assert of(100_000, listed=True, dns=True).surely_below(70) is True


def test_too_little_mail_is_unknown_and_never_acts() -> None:
    few = of(199, bounces=190)
    assert (few.value, few.known, few.surely_below(70)) == (None, False, False)
    assert (NO_SCORE.value, NO_SCORE.surely_below(100)) == (None, False)


def test_small_numbers_make_a_wide_band_that_does_not_act() -> None:
    found = of(200, complaints=1)
    assert found.high - found.low > 30
    assert not found.surely_below(70)


def test_it_acts_only_where_its_own_mail_alone_says_the_same() -> None:
    assert of(350, complaints=20).surely_below(50)
    among = levels(350)
    among[1] = [(0, 0), (2_000, 35_000), (0, 350)]
    (found,) = scores(np.array([among]), [False], [False], LIMITS, POLICY)
    assert found.value is not None
    assert found.value < 50 > found.high
    assert not found.surely_below(70)


def test_people_read_what_cost_most() -> None:
    assert (
        of(100_000, bounces=50_000, complaints=20).words
        == "score of 39 (37 to 40; bounces cost 60, complaints cost 1)"
    )


@pytest.mark.parametrize(
    ("own", "stream", "told"),
    [
        ((0, 300), (0, 0), "complaints"),
        ((3, 2000), (0, 0), "; complaints cost "),
        ((0, 300), (40, 20_000), "; complaints of others on its domain or stream cost "),
    ],
    ids=["nobody complained", "its own readers did", "those of its stream did"],
)
def test_what_did_not_happen_is_not_told_as_a_cost(
    own: tuple[int, int], stream: tuple[int, int], told: str
) -> None:
    rows = [
        [(0, 0), stream, own] if name == "complaints" else [(0, 0), (0, 0), (0, own[1])] for name in LIMITS
    ]
    (found,) = scores(np.array([rows]), [False], [False], LIMITS, POLICY)
    assert found.lost["complaints"] >= 1, "the score itself is what it was"
    assert (told in found.words) is bool(own[0] or stream[0])

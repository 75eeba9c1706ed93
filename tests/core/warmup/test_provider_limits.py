"""Volumes by mailbox provider: ladders, mixes, and what a slowed one leaves."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_engine.fleet.traffic import DayCounts, Days
from email_engine.warmup.policy import ProviderLimit, Schedule
from email_engine.warmup.provider_limits import provider_allowances, provider_mix, slowed, stage_volume
from tests.core.warmup.worlds import DAY

SIX = Schedule((50, 100, 250, 500, 1000, 2000), 7)
HALF = {"microsoft": ProviderLimit(0.5, 0)}
BEHIND = {"microsoft": ProviderLimit(0.5, 1)}


@pytest.mark.parametrize(
    ("sent", "mix"),
    [
        ({"gmail": 60, "yahoo": 40}, {"gmail": 0.6, "yahoo": 0.4}),
        ({"gmail": 61, "yahoo": 39}, {"gmail": 0.6, "yahoo": 0.4}),
        ({"a": 34, "b": 33, "c": 33}, {"a": 0.35, "b": 0.35, "c": 0.3}),
        ({"gmail": 199, "gmx": 1}, {"gmail": 1.0, "gmx": 0.0}),
        ({"gmail": 50}, {}),
        ({}, {}),
    ],
    ids=[
        "as it is",
        "rounded, so that it does not change each day",
        "a third each",
        "next to nothing",
        "too little to tell",
        "no mail",
    ],
)
def test_the_mix_is_what_was_sent(sent: dict[str, int], mix: dict[str, float]) -> None:
    days = {name: Days.of([DayCounts(DAY, count)]) for name, count in sent.items()}
    assert provider_mix(days, DAY) == mix


@given(st.dictionaries(st.sampled_from("abcdefghijklmnopqrstuvw"), st.integers(0, 10_000), max_size=23))
def test_the_parts_of_a_mix_sum_to_one(sent: dict[str, int]) -> None:
    mix = provider_mix({name: Days.of([DayCounts(DAY, count)]) for name, count in sent.items()}, DAY)
    assert not mix or sum(mix.values()) == pytest.approx(1)


def test_old_mail_says_nothing_about_the_mix() -> None:
    assert provider_mix({"gmail": Days.of([DayCounts(DAY - timedelta(days=14), 5000)])}, DAY) == {}


@pytest.mark.parametrize(
    ("provider_limits", "mix", "phase", "volume"),
    [
        ({}, {"microsoft": 1.0}, 3, 250),
        (HALF, {"microsoft": 0.5}, 3, 250),
        (HALF, {"microsoft": 1.0}, 3, 125),
        (HALF, {}, 3, 250),
        (BEHIND, {"microsoft": 0.5}, 3, 100),
        (BEHIND, {"microsoft": 0.5}, 1, 50),
        (HALF, {"gmail": 1.0}, 6, 2000),
    ],
    ids=["no ladder", "within its share", "all to one provider", "unknown mix", "a stage behind", "the first stage", "another provider"],
)  # fmt: skip
def test_a_stage_shrinks_so_that_no_queue_grows(
    provider_limits: dict[str, ProviderLimit], mix: dict[str, float], phase: int, volume: int
) -> None:
    assert stage_volume(SIX, phase, 10_000, provider_limits, mix) == volume


@pytest.mark.parametrize(
    ("throttle_factors", "left"),
    [
        ({}, 1000),
        ({"*": 0.5}, 500),
        ({"gmail": 0.5}, 750),
        ({"*": 0.5, "gmail": 0.5}, 375),
        ({"gmx": 0.1}, 1000),
    ],
    ids=["full speed", "the whole IP", "half of its mail", "both", "no mail there"],
)
def test_what_is_slowed_is_lost_and_moved_nowhere(throttle_factors: dict[str, float], left: int) -> None:
    assert slowed(1000, {"gmail": 0.5, "yahoo": 0.5}, throttle_factors, 0.1) == left


def test_an_ip_is_never_slowed_below_the_floor_of_the_policy() -> None:
    every = {"*": 0.5, "gmail": 0.125, "yahoo": 0.1}
    assert slowed(10_000, {"gmail": 0.6, "yahoo": 0.4}, every, 0.1) == 1000


def test_a_slowed_ip_keeps_a_trickle_and_a_stopped_one_nothing() -> None:
    assert slowed(1, {}, {"*": 0.1}, 0.1) == 1
    assert slowed(0, {}, {"*": 0.1}, 0.1) == 0


@pytest.mark.parametrize(
    ("allowance", "phase", "provider_limits", "throttle_factors", "bounds"),
    [
        (50, 1, HALF, {}, {"microsoft": 25}),
        (20, 1, HALF, {}, {}),
        (900, None, HALF, {}, {}),
        (900, None, {}, {"yahoo": 0.5}, {"yahoo": 250}),
        (50, 1, HALF, {"microsoft": 0.1}, {"microsoft": 2}),
        (0, 1, HALF, {"yahoo": 0.5}, {}),
        (900, None, {}, {"yahoo": 0.0}, {"yahoo": 0}),
        (900, None, {}, {"yahoo": 0.01}, {"yahoo": 20}),
    ],
    ids=["a share of the stage", "less than the share anyway", "warm", "slowed there", "the lower of both", "nothing at all", "suspended", "probed"],
)  # fmt: skip
def test_providers_that_may_not_have_all(
    allowance: int,
    phase: int | None,
    provider_limits: dict[str, ProviderLimit],
    throttle_factors: dict[str, float],
    bounds: dict[str, int],
) -> None:
    mix = {"yahoo": 0.5, "microsoft": 0.25}
    share = 1000 if phase is None else allowance
    assert (
        provider_allowances(allowance, share, SIX, phase, 10_000, provider_limits, mix, throttle_factors, 20)
        == bounds
    )

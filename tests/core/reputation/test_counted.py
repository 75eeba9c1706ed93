"""The tables of a whole fleet say what the rows of each IP say, whatever days are missing."""

import random
from collections.abc import Mapping
from datetime import date, timedelta

import pytest

from email_engine.fleet.traffic import DayCounts, Days, by_day
from email_engine.reputation.counted import (
    Basis,
    Counted,
    Row,
    block_rows,
    blocked_of,
    complained_of,
    complaint_rows,
    pressing_of,
    pressure_rows,
    together,
)
from email_engine.reputation.provider_days import ProviderDays

LAST = date(2026, 11, 20)
LATE = 5
PROVIDERS = ("gmail", "microsoft", "other", "yahoo")


def basis(dice: random.Random) -> Basis:
    """Uneven mail: days that are missing, providers without mail, undated reports, more complaints than mail, nothing blocked."""
    blocks = dice.random() < 0.6
    providers = {}
    for name in dice.sample(PROVIDERS, dice.randint(1, len(PROVIDERS))):
        known = [n for n in reversed(range(14)) if dice.random() < 0.7]
        days = []
        for n in known:
            sent, complained = dice.choice([0, 3, 40]), dice.choice([0, 0, 1, 6])
            blocked = dice.randint(0, sent) if blocks else 0
            undated = dice.randint(0, complained) if dice.random() < 0.3 else 0
            days.append(
                DayCounts(
                    LAST - timedelta(days=n), sent, blocked, dice.randint(0, 5), complained, blocked,
                    undated_complaints=undated,
                )
            )  # fmt: skip
        providers[name] = Days.of(days)
    first = LAST - timedelta(days=dice.randint(0, 20))
    reporting = dice.choice([None, frozenset(), frozenset(dice.sample(PROVIDERS, 2))])
    whole = by_day(providers.values()).between(first, LAST)
    return Basis(
        first, whole, first - timedelta(days=dice.randint(0, 5)), whole, providers, reporting, Days()
    )


def sums(row: Row) -> tuple[int, int]:
    return sum(row.bad), sum(row.messages)


def agree(rows: ProviderDays, counted: Counted, wanted: list[Mapping[str, Row]]) -> None:
    for at, (place, name) in enumerate(zip(rows.place, rows.name, strict=True)):
        found = int(counted.bad[at].sum()), int(counted.messages[at].sum())
        assert found == (sums(wanted[place][name]) if name in wanted[place] else (0, 0)), (place, name)
    for place, of_ip in enumerate(wanted):
        one = together(of_ip)
        bad, messages = (table[place] for table in counted.together)
        assert (int(bad.sum()), int(messages.sum())) == sums(one), place
        some = [(b, m) for b, m in zip(bad.tolist(), messages.tolist(), strict=True) if b]
        assert some == [(b, m) for _, b, m in zip(*one, strict=False) if b], place


@pytest.mark.parametrize("seed", range(20))
def test_a_fleet_s_tables_are_the_rows_of_its_ips(seed: int) -> None:
    dice = random.Random(seed)
    fleet = [basis(dice) for _ in range(25)]
    rows = ProviderDays([one.providers for one in fleet])
    agree(rows, complained_of(rows, fleet, LATE), [complaint_rows(one, LATE) for one in fleet])
    agree(rows, blocked_of(rows, fleet), [block_rows(one) for one in fleet])
    since = LAST - timedelta(days=2)
    agree(rows, pressing_of(rows, fleet, since), [pressure_rows(one, since) for one in fleet])


def test_ips_about_which_nothing_is_known_have_rows_of_nothing() -> None:
    none = Basis(LAST, Days(), LAST, Days(), {"other": Days()}, None, Days())
    rows = ProviderDays([none.providers, {}])
    found = complained_of(rows, [none, none], LATE)
    assert [int(table.sum()) for table in (found.bad, found.messages, *found.together)] == [0, 0, 0, 0]

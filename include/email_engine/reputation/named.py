"""Block lists that receivers name in their refusals: a suspicion about an IP, not a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

LEAST_MANY = 3


class ListAnswer(StrEnum):
    """What the list itself said about the IP since; `unknown`: it could not be asked, or was not yet."""

    LISTED = "listed"
    NOT_LISTED = "not_listed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NamedList:
    """Replies of one UTC day to one IP that name one block list. `refused`: messages by mailbox provider; `sent`: messages of the IP that
    came to an end on that day; `asked`: what was asked since, and what came of it, for people."""

    name: str
    day: date
    refused: Mapping[str, int]
    sent: int
    answer: ListAnswer = ListAnswer.UNKNOWN
    asked: str = ""

    @property
    def own(self) -> bool:
        """Is it the list of the one provider that names it? Then that provider refuses, and nobody else is asked."""
        return set(self.refused) == {self.name}

    @property
    def words(self) -> str:
        """`zen.spamhaus.org was named by microsoft (12) and yahoo (3) in 15 of 300 messages on 2026-11-20`, and what was asked."""
        who = " and ".join(f"{name} ({count})" for name, count in sorted(self.refused.items()))
        told = f"{self.name} was named by {who} in {sum(self.refused.values())} of {self.sent} messages on {self.day}"
        return f"{told}; {self.asked or 'it was not asked yet'}"


def suspicions(named: Sequence[NamedList], day: date, days: int) -> tuple[NamedList, ...]:
    """Those of the last `days` days up to `day` that the list itself did not refute, worst first; no provider's own list that it alone
    names."""
    if not named:
        return ()
    first = day - timedelta(days=days - 1)
    standing = (
        one for one in named if one.day >= first and one.answer is not ListAnswer.NOT_LISTED and not one.own
    )
    return tuple(sorted(standing, key=lambda one: (-sum(one.refused.values()), one.name)))


def confirmed(one: NamedList, receivers: int, share: float) -> bool:
    """Do so many receivers agree on so much (0..1) of the day's mail that no answer of the list is needed?"""
    enough = len([name for name, count in one.refused.items() if count]) >= receivers
    return enough and one.sent > 0 and sum(one.refused.values()) >= share * one.sent


def too_many(named: int, sending: int, part: float) -> bool:
    """Are so many of the `sending` IPs named at once that replies prove nothing? Three at least."""
    return named >= LEAST_MANY and named >= part * sending

"""The life of a DKIM key: one table, stage and event to stage. Everything that decides a move is here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from email_engine.errors import InputError


class KeyStage(StrEnum):
    """`signing`: configurations are rendered with it, one key a domain; `removed` is final."""

    MAKING = "making"
    MADE = "made"
    SEEN = "seen"
    SIGNING = "signing"
    OVERLAP = "overlap"
    REVOKING = "revoking"
    REVOKED = "revoked"
    REMOVED = "removed"


class KeyEvent(StrEnum):
    """What can happen to a key; each is written down with its reason."""

    STAND = "stand"
    SHOW = "show"
    VANISH = "vanish"
    SIGN = "sign"
    YIELD = "yield"
    REVOKE = "revoke"
    WITHDRAW = "withdraw"
    CANCEL = "cancel"
    REMOVE = "remove"


S, E = KeyStage, KeyEvent


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table; `guard`: what must hold before, in words."""

    stage: KeyStage
    event: KeyEvent
    to: KeyStage
    guard: str


def _rows() -> Iterator[Move]:
    yield Move(
        S.MAKING,
        E.STAND,
        S.MADE,
        "its file stands on every host of the domain, read back by its public numbers",
    )
    yield Move(
        S.MADE,
        E.SHOW,
        S.SEEN,
        "the resolver, and every name server of the zone that can be reached, gives the record with this very key",
    )
    yield Move(S.SEEN, E.VANISH, S.MADE, "an answer gives another record, or none")
    yield Move(
        S.SEEN,
        E.SIGN,
        S.SIGNING,
        "seen without a gap for its TTL, and for as long as policy says; its file stands on every host of the domain",
    )
    yield Move(
        S.SIGNING,
        E.YIELD,
        S.OVERLAP,
        "another key of the domain signs, or a person goes back to the one before",
    )
    yield Move(S.OVERLAP, E.SIGN, S.SIGNING, "a person goes back to it; its record still stands")
    yield Move(
        S.OVERLAP,
        E.REVOKE,
        S.REVOKING,
        "no host signs with it since longer than its mail can wait in a queue (`bounce-after`), and than policy says",
    )
    yield Move(
        S.REVOKING,
        E.WITHDRAW,
        S.REVOKED,
        "the resolver, and every name server of the zone that can be reached, gives an empty p=, or no record",
    )
    for stage in (S.MAKING, S.MADE, S.SEEN):
        yield Move(stage, E.CANCEL, S.REVOKED, "a person gives it up; nothing was ever signed with it")
    yield Move(S.REVOKED, E.REMOVE, S.REMOVED, "no configuration names its file; the file is gone on every host")  # fmt: skip


TABLE: tuple[Move, ...] = tuple(_rows())
"""Every move there is; what is not in it is refused."""

MOVES: Mapping[KeyStage, Mapping[KeyEvent, KeyStage]] = MappingProxyType(
    {stage: MappingProxyType({row.event: row.to for row in TABLE if row.stage is stage}) for stage in S}
)
COMING = (S.MAKING, S.MADE, S.SEEN)
"""Stages of the key that is to sign next."""
LEAVING = (S.OVERLAP, S.REVOKING, S.REVOKED)
"""Stages of a key that signed before."""


def next_stage(stage: KeyStage, event: KeyEvent) -> KeyStage:
    """Where `event` leads; raises InputError that names stage, event and what is allowed instead."""
    reached = MOVES[stage].get(event)
    if reached is None:
        allowed = ", ".join(MOVES[stage]) or "no event: the stage is final"
        raise InputError(
            f"event {event} of a DKIM key in stage {stage}", "no such move", allowed, "see docs/onboarding.md"
        )
    return reached

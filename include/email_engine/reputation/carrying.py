"""Which days carry evidence: a rate that varies from day to day has single bad days that prove nothing about the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from email_engine.fleet.traffic import Column
from email_engine.reputation.evidence import day_evidence, detector

OFTEN = 3


@dataclass(frozen=True, slots=True)
class Carrying:
    """`several`: do several days carry the evidence? `days`: the newest UTC days that prove the rate by themselves, oldest first; `rate`:
    what was seen on the worst of them (0..1); `named`: those to be told, older ones too where they carry it."""

    several: bool
    days: tuple[date, ...]
    rate: float
    named: tuple[date, ...] = ()


def carrying(
    day: Sequence[date],
    bad: Column,
    messages: Column,
    limits: Sequence[float],
    stop: float,
    within: timedelta,
) -> Carrying:
    """Of evidence that reached `stop`. One day carries it alone if its own counts do, no other such day lies `within` of the newest,
    and without it the evidence does not reach `stop`. Bad days further apart, clean ones between them, are several when they are OFTEN and all
    days together are at their limit: who mails a bad list each week has no good rate. `limits`: of each day."""
    wrong = np.minimum(np.array(bad, np.int64), np.array(messages, np.int64))[None]
    whole, borne = np.array(messages, np.int64)[None], np.array(limits, np.float64)[None]
    own = day_evidence(wrong, whole, borne)[0]
    alone = [at for at in range(len(day)) if own[at] >= stop and wrong[0, at] > borne[0, at] * whole[0, at]]
    if not alone:
        return Carrying(True, (), 0.0)
    without = np.repeat(whole, len(alone), 0)
    without[range(len(alone)), alone] = 0
    left = detector(np.minimum(wrong, without), without, np.repeat(borne, len(alone), 0)).min()
    near = [at for at in alone if day[alone[-1]] - day[at] <= within]
    rate = float(max(wrong[0, at] / whole[0, at] for at in near))
    often = len(alone) >= OFTEN and wrong.sum() >= (borne * whole).sum()
    several = len(near) > 1 or bool(left >= stop or often)
    named = tuple(day[at] for at in (alone if several else near))
    return Carrying(several, tuple(day[at] for at in near), rate, named)

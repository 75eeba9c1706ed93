"""What small numbers prove about a rate (facts: deliverability, section 3). Exact.

Two questions, two tools. "Is it bad?" is asked every day, so it needs a detector whose false alarms do not pile up: the
Shiryaev-Roberts form M = (M + 1) * e over daily mixture e-values (Shin, Ramdas and Rinaldo, arXiv 2203.03532); the mean
time to a false alarm is at least the threshold, in days. "Is it good?" is asked at the end of a stage: an exact binomial
bound (Clopper-Pearson)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import repeat, starmap
from operator import gt

from scipy.special import bdtr, betaincc, betaincinv

PRIOR_WEIGHT = 2.0
"""First parameter of the mixture's Beta; its mean is twice the limit (at 5 %: Beta(2, 18), cut to rates above 5 %)."""
TELLS_NOTHING = 0.3
"""A day on which others are proven to bounce so much says nothing about one IP."""
_TINY = 1e-300
_MOST_STEPS = 20_000
_CEILING = 1e12
_UNDERFLOW = 1e-290
_EXACT = 128
"""Smaller days are never rounded."""
_FORGOTTEN = 1e-16
"""Days before a run of e-values with this product change the detector by less than 0.0001, whatever they held."""


class Verdict(StrEnum):
    """`pass`: proven below the limit. `regress`: proven above. `hold`: neither, though the rate seen is at the limit or
    above. `insufficient`: too little mail to tell."""

    PASS = "pass"  # noqa: S105 - a verdict
    HOLD = "hold"
    REGRESS = "regress"
    INSUFFICIENT = "insufficient"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on `bad` of `messages`; `evidence` is the detector's value, in days between false alarms."""

    verdict: Verdict
    bad: int
    messages: int
    evidence: float


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_fraction(a: float, b: float, x: float) -> float:
    """log of the regularised incomplete beta function I_x(a, b) by its continued fraction (DLMF 8.17.22, Lentz)."""
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    value = d
    for m in range(1, _MOST_STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = 1.0
        for term in (even, odd):
            d = 1.0 + term * d
            c = 1.0 + term / c
            d = 1.0 / (d if abs(d) > _TINY else _TINY)
            c = c if abs(c) > _TINY else _TINY
            change = c * d
            value *= change
        if abs(change - 1.0) < 1e-14:
            break
    return a * math.log(x) + b * math.log1p(-x) - _log_beta(a, b) - math.log(a) + math.log(value)


def log_beta_survival(a: float, b: float, x: float) -> float:
    """log P(X > x) for X ~ Beta(a, b), 0 < x < 1; exact far into both tails."""
    above = float(betaincc(a, b, x))
    if _UNDERFLOW < above < 0.5:
        return math.log(above)
    if x > (a + 1.0) / (a + b + 2.0):
        return _log_fraction(b, a, 1.0 - x)
    below = _log_fraction(a, b, x)
    return math.log1p(-math.exp(min(below, -1e-17)))


@lru_cache(maxsize=64)
def _prior(limit: float) -> tuple[float, float, float]:
    """The mixture's Beta for a limit, and the log of its part above it."""
    a, b = PRIOR_WEIGHT, PRIOR_WEIGHT / (2 * limit) - PRIOR_WEIGHT
    return a, b, _log_beta(a, b) + log_beta_survival(a, b, limit)


def log_evalue(bad: int, messages: int, limit: float) -> float:
    """log of the mixture e-value for `bad` of `messages` against every rate up to `limit`."""
    a, b, prior = _prior(limit)
    good = messages - bad
    return (
        _log_beta(bad + a, good + b)
        + log_beta_survival(bad + a, good + b, limit)
        - prior
        - bad * math.log(limit)
        - good * math.log1p(-limit)
    )


def _rounded_up(messages: int) -> int:
    """At most a 64th more. More messages with the same bad ones are worth less, so false alarms stay as rare; and of a
    fleet's many volumes few different ones are left to work out."""
    step = messages.bit_length() - 7
    return -(-messages >> step) << step


@lru_cache(maxsize=1 << 18)
def _evalue(bad: int, messages: int, limit: float) -> float:
    return math.exp(min(log_evalue(bad, messages, limit), 50.0))


def detector(days: Sequence[tuple[int, int]], limit: float, bearable: Sequence[float] | None = None) -> float:
    """The Shiryaev-Roberts value after `days` of (bad, messages); 0 without mail, at most 1e12.

    `bearable`: the limit of each day, where some days may bear more than `limit`."""
    evalues: list[float] = []
    product = 1.0
    borne = repeat(limit) if bearable is None else reversed(bearable)
    for (bad, messages), most in zip(reversed(days), borne, strict=False):
        if messages and most < TELLS_NOTHING:
            size = messages if messages < _EXACT else _rounded_up(messages)
            evalue = _evalue(bad, size, most)
            evalues.append(evalue)
            product *= evalue
            if product < _FORGOTTEN:
                break
    value = 0.0
    for evalue in reversed(evalues):
        value = (value + 1.0) * evalue
        if value > _CEILING:
            value = _CEILING
    return value


def proven_above(bad: int, messages: int, limit: float, confidence: float = 0.95) -> float:
    """The rate above which `bad` of `messages` prove to be (Clopper-Pearson), in thousandths; `limit` if it is higher."""
    if not bad:
        return limit
    return max(limit, math.floor(float(betaincinv(bad, messages - bad + 1, 1 - confidence)) * 1000) / 1000)


def chance_of_so_few(bad: int, messages: int, limit: float) -> float:
    """P(at most `bad` of `messages`) if the true rate were `limit`: small means the rate is below it."""
    if bad >= messages:
        return 1.0
    return float(bdtr(bad, messages, limit)) if bad else float((1.0 - limit) ** messages)


def judge(
    days: Sequence[tuple[int, int]],
    limit: float,
    confidence: float,
    stop_evidence: float,
    bearable: Sequence[float] | None = None,
) -> Judgement:
    """Judges daily (bad, messages), oldest first, against a rate `limit` (0..1). Where no day was above it there is no
    evidence, however little mail there was.

    `bearable`: the limit of each day; days that may bear more than `limit` tell the detector of what goes beyond, and do
    not count for `pass` and `hold`."""
    seen_bad, seen = _sums(days)
    above = bool(seen_bad) and any([bad > limit * messages for bad, messages in days])  # noqa: C419 - twice as fast
    if above and any(starmap(gt, days)):
        days = [(min(bad, messages), messages) for bad, messages in days]
        seen_bad, seen = _sums(days)
    bad, messages = seen_bad, seen
    if bearable is not None:
        excused = [
            borne > limit and day[0] >= limit * day[1] for day, borne in zip(days, bearable, strict=True)
        ]
        bad, messages = _sums([day for day, out in zip(days, excused, strict=True) if not out])
    evidence = float(f"{detector(days, limit, bearable):.6g}") if above else 0.0
    doubt = 1.0 - confidence
    if evidence >= stop_evidence:
        verdict = Verdict.REGRESS
    elif (1.0 - limit) ** messages > doubt:
        verdict = Verdict.INSUFFICIENT
    elif bad >= limit * messages:
        verdict = Verdict.HOLD
    else:
        verdict = Verdict.PASS if chance_of_so_few(bad, messages, limit) <= doubt else Verdict.INSUFFICIENT
    return Judgement(verdict, seen_bad, seen, evidence)


def _sums(days: Sequence[tuple[int, int]]) -> tuple[int, int]:
    if not days:
        return 0, 0
    bad, messages = zip(*days, strict=True)
    return sum(bad), sum(messages)

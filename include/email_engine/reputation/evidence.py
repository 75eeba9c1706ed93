"""What small numbers prove about a rate (facts: deliverability, section 3). Exact.

Two questions, two tools. "Is it bad?" is asked every day, so it needs a detector whose false alarms do not pile up: the
Shiryaev-Roberts form M = (M + 1) * e over daily mixture e-values (Shin, Ramdas and Rinaldo, arXiv 2203.03532); the mean
time to a false alarm is at least the threshold, in days. "Is it good?" is asked at the end of a stage: an exact binomial
bound (Clopper-Pearson).

A fleet is judged as one table with a row for each IP: ten thousand take as many steps as one."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, betainc, betaincc, betaincinv, betaln

from email_engine.fleet.traffic import Column

PRIOR_WEIGHT = 2.0
"""First parameter of the mixture's Beta; its mean is twice the limit (at 5 %: Beta(2, 18), cut to rates above 5 %)."""
TELLS_NOTHING = 0.3
"""A day on which others are proven to bounce so much says nothing about one IP."""
DIGITS = 6
"""Of the evidence, as it is stored, compared and shown."""
_TINY = 1e-300
_MOST_STEPS = 20_000
_CEILING = 1e12
_LARGEST = 50.0
_UNDERFLOW = 1e-290
_EXACT = 128
"""Smaller days are never rounded."""

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class GateVerdict(StrEnum):
    """`pass`: proven below the limit. `regress`: proven above. `hold`: neither, though the rate seen is at the limit or
    above. `insufficient`: too little mail to tell."""

    PASS = "pass"  # noqa: S105 - a verdict
    HOLD = "hold"
    REGRESS = "regress"
    INSUFFICIENT = "insufficient"


_VERDICTS = tuple(GateVerdict)
_PASS, _HOLD, _REGRESS, _INSUFFICIENT = range(len(_VERDICTS))
BADNESS = np.argsort([_REGRESS, _HOLD, _INSUFFICIENT, _PASS])
"""By place of a verdict: 0 for the worst."""


class GateJudgement(NamedTuple):
    """A verdict on `bad` of `messages`; `evidence` is the detector's value, in days between false alarms."""

    verdict: GateVerdict
    bad: int
    messages: int
    evidence: float


class JudgedRows(NamedTuple):
    """Judgements of many as columns. `verdicts`: places among the verdicts."""

    verdicts: Integers
    bad: Integers
    messages: Integers
    evidence: Floats

    @property
    def proven(self) -> npt.NDArray[np.bool_]:
        """Which of them are proven bad?"""
        return np.asarray(self.verdicts == _REGRESS)

    def some(self, rows: Integers) -> "JudgedRows":
        """Those of the rows."""
        return JudgedRows(self.verdicts[rows], self.bad[rows], self.messages[rows], self.evidence[rows])

    def one(self, row: int) -> GateJudgement:
        """That of one row."""
        return self.some(np.array([row])).all()[0]

    def all(self) -> list[GateJudgement]:
        """Each of them as a value."""
        verdicts = map(_VERDICTS.__getitem__, self.verdicts.tolist())
        return list(
            map(GateJudgement, verdicts, self.bad.tolist(), self.messages.tolist(), self.evidence.tolist())
        )


def _log_fraction(a: Floats, b: Floats, x: Floats) -> Floats:
    """log of the regularised incomplete beta function I_x(a, b) by its continued fraction (DLMF 8.17.22, Lentz)."""

    def kept_from_zero(value: Floats) -> Floats:
        return np.where(np.abs(value) > _TINY, value, _TINY)

    c, d = np.ones_like(a), 1.0 / kept_from_zero(1.0 - (a + b) * x / (a + 1.0))
    value, done = d, np.zeros(a.shape, bool)
    for m in range(1, _MOST_STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = c
        for term in (even, odd):
            d = 1.0 / kept_from_zero(1.0 + term * d)
            c = kept_from_zero(1.0 + term / c)
            change = c * d
            value = value * change
        done |= np.abs(change - 1.0) < 1e-14
        if done.all():
            break
    return np.asarray(a * np.log(x) + b * np.log1p(-x) - betaln(a, b) - np.log(a) + np.log(value))


def log_beta_survival(a: npt.ArrayLike, b: npt.ArrayLike, x: npt.ArrayLike) -> Floats:
    """log P(X > x) for X ~ Beta(a, b), 0 < x < 1, element by element; exact far into both tails."""
    a, b, x = np.broadcast_arrays(*(np.asarray(one, np.float64) for one in (a, b, x)))
    above = betaincc(a, b, x)
    found = np.asarray(np.log(np.maximum(above, _TINY)))
    high, gone = above >= 0.5, above <= _UNDERFLOW
    found[high] = np.log1p(-betainc(a[high], b[high], x[high]))
    if gone.any():
        found[gone] = _log_fraction(b[gone], a[gone], 1.0 - x[gone])
    return found


@lru_cache(maxsize=64)
def _prior(limit: float) -> tuple[float, float, float]:
    """The mixture's Beta for a limit, and the log of its part above it."""
    a, b = PRIOR_WEIGHT, PRIOR_WEIGHT / (2 * limit) - PRIOR_WEIGHT
    return a, b, float(betaln(a, b) + log_beta_survival(a, b, limit))


def log_evalue(bad: npt.ArrayLike, messages: npt.ArrayLike, limit: float) -> Floats:
    """log of the mixture e-value for each `bad` of `messages` against every rate up to `limit`."""
    a, b, prior = _prior(limit)
    wrong = np.asarray(bad, np.float64)
    good = np.asarray(messages, np.float64) - wrong
    survival = log_beta_survival(wrong + a, good + b, limit)
    weight = betaln(wrong + a, good + b) + survival - prior
    return np.asarray(weight - wrong * math.log(limit) - good * math.log1p(-limit))


def _rounded_up(messages: Integers) -> Integers:
    """At most a 64th more, from _EXACT on. More messages with the same bad ones are worth less, so false alarms stay as
    rare; and of a fleet's many volumes few different ones are left to work out."""
    bits = np.frexp(messages.astype(np.float64))[1].astype(np.int64)
    step = np.where(messages < _EXACT, 0, bits - 7)
    return np.asarray(-(-messages >> step) << step)


def _evalues(bad: Integers, messages: Integers, limits: Floats) -> Floats:
    """The e-value of each day; days that say the same are worked out once, and one of more than 2**31 messages, which nobody
    sends, counts as a smaller one at its rate."""
    found = np.empty(bad.shape)
    scale = (messages >> 31) + 1
    bad, messages = bad // scale, _rounded_up(messages // scale)
    for limit in np.unique(limits):
        these = limits == limit
        span = int(messages.max()) + 1
        days, places = np.unique(bad[these] * span + messages[these], return_inverse=True)
        logs = log_evalue(days // span, days % span, float(limit))
        found[these] = np.exp(np.minimum(logs, _LARGEST))[places]
    return found


def detector(bad: Integers, messages: Integers, limits: Floats) -> Floats:
    """The Shiryaev-Roberts value of each row of days, oldest first: 0 without mail, at most 1e12. `limits`: of each day."""
    tells, evalues = _telling(messages, limits), day_evidence(bad, messages, limits)
    value = np.zeros(len(bad))
    for evalue, one in zip(evalues.T, tells.T, strict=True):
        value = np.minimum((value + one) * evalue, _CEILING)
    return value


def day_evidence(bad: Integers, messages: Integers, limits: Floats) -> Floats:
    """The e-value of each day by itself, as in `detector`; 1 for a day that tells nothing."""
    tells = _telling(messages, limits)
    evalues = np.ones(bad.shape)
    evalues[tells] = _evalues(bad[tells], messages[tells], limits[tells])
    return evalues


def _telling(messages: Integers, limits: Floats) -> npt.NDArray[np.bool_]:
    return (messages > 0) & (limits < TELLS_NOTHING)


def proven_above(bad: int, messages: int, limit: float, confidence: float = 0.95) -> float:
    """The rate above which `bad` of `messages` prove to be (Clopper-Pearson), in thousandths; `limit` if it is higher."""
    if not bad:
        return limit
    return max(limit, math.floor(float(betaincinv(bad, messages - bad + 1, 1 - confidence)) * 1000) / 1000)


def chance_of_so_few(bad: npt.ArrayLike, messages: npt.ArrayLike, limit: npt.ArrayLike) -> Floats:
    """P(at most `bad` of `messages`) if the true rate were `limit`, element by element: small means the rate is below it."""
    bad, messages = np.asarray(bad, np.int64), np.asarray(messages, np.int64)
    some = bdtr(bad, np.maximum(messages, 1), limit)
    return np.where(bad >= messages, 1.0, some)


def ever_above(bad: Sequence[Column], messages: Sequence[Column], limit: float) -> list[bool]:
    """Was a day of the row above the limit?"""
    found: list[bool] = _above(_table(bad), _table(messages), limit).tolist() if bad else []
    return found


def _above(bad: Integers, messages: Integers, limit: float) -> npt.NDArray[np.bool_]:
    return np.asarray((bad > limit * messages).any(1))


def judge(
    bad: Sequence[Column],
    messages: Sequence[Column],
    limit: float,
    stop: float,
    confidence: float,
    bearable: Mapping[int, Sequence[float]] | None = None,
) -> list[GateJudgement]:
    """As `judge_table`, of rows of any length, the last days of which are the same."""
    if not bad:
        return []
    return judge_table(_table(bad), _table(messages), limit, stop, confidence, bearable).all()


def judge_table(
    bad: Integers,
    messages: Integers,
    limit: float,
    stop: float,
    confidence: float,
    bearable: Mapping[int, Sequence[float]] | None = None,
) -> JudgedRows:
    """Judges rows of days with `bad` of `messages`, oldest first, against a rate `limit` (0..1); evidence of `stop` proves it.
    Where no day was above it there is no evidence, however little mail there was.

    `bearable`: the limit of each day, for the rows that have their own; days that may bear more than `limit` tell the
    detector of what goes beyond, and do not count for `pass` and `hold`."""
    sent = messages
    wrong = np.minimum(bad, sent)
    limits: Floats = np.broadcast_to(np.float64(limit), sent.shape)
    seen_bad, seen = counted_bad, counted = wrong.sum(1), sent.sum(1)
    if bearable:
        limits = limits.copy()
        for row, borne in bearable.items():
            limits[row, sent.shape[1] - len(borne) :] = borne
        fair = (limits <= limit) | (wrong < limit * sent)
        counted_bad, counted = (wrong * fair).sum(1), (sent * fair).sum(1)
    above = np.flatnonzero(_above(wrong, sent, limit))
    evidence = np.zeros(len(bad))
    found = detector(wrong[above], sent[above], limits[above])
    evidence[above] = [float(f"{value:.{DIGITS}g}") for value in found.tolist()]
    verdicts = _verdicts(counted_bad, counted, limit, 1.0 - confidence)
    verdicts[evidence >= stop] = _REGRESS
    return JudgedRows(verdicts, seen_bad, seen, evidence)


def _verdicts(bad: Integers, messages: Integers, limit: float, doubt: float) -> Integers:
    """What can be said of each rate as a whole, as places in _VERDICTS."""
    verdicts = np.full(len(bad), _INSUFFICIENT)
    enough = (1.0 - limit) ** messages <= doubt
    high = bad >= limit * messages
    verdicts[enough & high] = _HOLD
    low = np.flatnonzero(enough & ~high)
    verdicts[low[chance_of_so_few(bad[low], messages[low], limit) <= doubt]] = _PASS
    return verdicts


def _table(rows: Sequence[Column]) -> Integers:
    """The rows as one table, shorter ones with zeros before them: a day without mail says nothing."""
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    width = int(lengths.max())
    table = np.zeros((len(rows), width), np.int64)
    table[np.arange(width) >= (width - lengths)[:, None]] = np.frombuffer(b"".join(rows), np.int64)
    return table

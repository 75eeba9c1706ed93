"""Speed that trouble takes and good days earn back, step by step: of the whole IP (`*`) by its score, of a provider by the
deferrals there. It is a part of what the schedule allows, so it is never faster than the schedule."""

from collections.abc import Mapping

from email_engine.reputation.evidence import Judgement, Verdict
from email_engine.reputation.score import Score
from email_engine.warmup.policy import Policy

WHOLE = "*"
_FULL = 0.999


def paces_after(
    before: Mapping[str, float], score: Score, deferrals: Mapping[str, Judgement], policy: Policy
) -> dict[str, float]:
    """The speeds from now on; what is at full speed is not in it. An unknown score earns nothing back."""
    found = {
        name: _provider(before.get(name, 1.0), judged, policy)
        for name, judged in deferrals.items()
        if judged.verdict is Verdict.REGRESS or name in before
    }
    for name, pace in before.items():
        if name != WHOLE and name not in deferrals:
            found[name] = pace
    found[WHOLE] = _whole(before.get(WHOLE, 1.0), score, policy)
    return {name: round(pace, 4) for name, pace in sorted(found.items()) if pace < _FULL}


def _provider(pace: float, judged: Judgement, policy: Policy) -> float:
    if judged.verdict is Verdict.REGRESS:
        return max(pace * policy.slow.factor, policy.slow.least)
    if judged.verdict is Verdict.HOLD or not judged.messages:
        return pace
    return min(pace * policy.slow.recover, 1.0)


def _whole(pace: float, score: Score, policy: Policy) -> float:
    if score.surely_below(policy.score.slow_below):
        return min(pace, policy.slow.factor)
    if score.value is None or score.value < policy.score.slow_below:
        return pace
    return min(pace * policy.slow.recover, 1.0)

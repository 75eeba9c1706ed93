"""Why counts decide something about an IP: each ground as a clause, with the evidence behind it and what a person does now."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from email_engine.fleet.providers import OTHER
from email_engine.plural import amount
from email_engine.reputation.counted import Row, block_rows, complaint_rows, pressure_rows, together
from email_engine.reputation.evidence import GateVerdict
from email_engine.reputation.gates import BLOCKS, BOUNCES, COMPLAINTS, DEFERRALS
from email_engine.warmup import advice
from email_engine.warmup.assessment import Assessment
from email_engine.warmup.blame import Charge, Whose
from email_engine.warmup.provider_limits import PROBING, SUSPENDED, WHOLE
from email_engine.warmup.sentences import (
    Evidence,
    bad_count,
    convincing,
    counted,
    counts_by_provider,
    named,
    tally,
    verdict_clause,
    whole_count,
    worst_provider,
)

_VERBS = {
    BLOCKS: "refused {} for reputation",
    COMPLAINTS: "complained about {}",
    DEFERRALS: "deferred or blocked {} for rate or reputation",
}

NEARLY_ALL = 0.8


class Ground(NamedTuple):
    """`clause`: the middle of a sentence; `advice`: what a person does now."""

    clause: str
    evidence: tuple[Evidence, ...]
    advice: str

    @property
    def changes(self) -> dict[str, Any]:
        """Fields of a proposal."""
        return {"evidence": self.evidence, "advice": self.advice}


def joined(grounds: Sequence[Ground]) -> Ground:
    """Several grounds for one decision; the first of them says what to do."""
    clause = " and ".join(ground.clause for ground in grounds)
    evidence = tuple(each for ground in grounds for each in ground.evidence)
    return Ground(clause, evidence, grounds[0].advice if grounds else "")


def by_charge(assessment: Assessment, charge: Charge) -> Ground:
    """A proven rate of all the mail that the gate counts, and the days that convince."""
    limit = getattr(assessment.policy.gates, charge.gate).limit
    days = convincing(charge.row, _limits(assessment, charge.gate, charge.row), charge.carried.named)
    count = counted(charge.gate, charge.row, days)
    clause = f"{count} {'proves' if sum(charge.row.bad) == 1 else 'prove'} a rate above {limit:.1%}"
    what = advice.stream(charge.gate) if charge.whose is Whose.STREAM else advice.own([charge.gate])
    what = _at_one_provider(assessment, charge.gate, days) or what
    return Ground(clause, (_evidence(assessment, charge.gate, days, ()),), what)


def by_gate(assessment: Assessment, gate: str) -> Ground:
    """What a gate says against the IP. What providers answer for that were slowed or suspended is left out."""
    judged, limit = assessment.own(gate), getattr(assessment.policy.gates, gate).limit
    row = _row(assessment, gate, assessment.answering(gate))
    worst = assessment.judged.worst_provider if gate == DEFERRALS else None
    where, providers = _where(assessment, worst)
    days = convincing(row, _limits(assessment, gate, row))
    clause = verdict_clause(gate, row, judged, limit, days, where)
    if judged.verdict not in (GateVerdict.REGRESS, GateVerdict.HOLD):
        speaks = "speaks" if judged.bad == 1 else "speak"
        clause = f"{counted(gate, row, days, where, sums_first=True)} {speaks} against it"
    what = advice.provider(gate, named(worst)) if worst else advice.own([gate])
    what = _at_one_provider(assessment, gate, days) or what
    return Ground(clause, (_evidence(assessment, gate, days, providers),), what)


def progress_words(assessment: Assessment, gate: str) -> str:
    """What a gate does not prove yet, as a clause: nothing that anybody must act on."""
    judged, limit = assessment.own(gate), getattr(assessment.policy.gates, gate).limit
    worst = assessment.judged.worst_provider
    where, _ = _where(assessment, worst if gate == DEFERRALS else None)
    row = _row(assessment, gate, assessment.answering(gate))
    return verdict_clause(gate, row, judged, limit, convincing(row, _limits(assessment, gate, row)), where)


def by_provider(assessment: Assessment, name: str) -> Ground | None:
    """What a mailbox provider does that is proven there; None if nothing is."""
    if name in assessment.seen.down:
        return by_outage(assessment, name)
    for gate, verb in _VERBS.items():
        if name in assessment.judged.refusing(gate):
            row = _rows(assessment, gate)[name]
            days = convincing(row, _limits(assessment, gate, row))
            clause = f"{named(name)} {verb.format(tally(gate, row, days))}"
            return Ground(clause, (Evidence(gate, days, (name,)),), advice.provider(gate, named(name)))
    return None


def by_outage(assessment: Assessment, name: str) -> Ground:
    """An outage of a mailbox provider that stands."""
    met = assessment.seen.outages[name]
    row = Row(met.day, met.unknown_users, met.sent)
    (day,) = convincing(row, [assessment.policy.gates.bounces.limit] * len(row.day))[-1:]
    bad, messages = met.on(day).unknown_users, whole_count(BOUNCES, met.on(day).sent)
    clause = (
        f"{named(name)} has an outage of its own ({bad} of {messages} on {day} met no such user, other providers know their users),"
        " which counts against no IP,"
    )
    return Ground(clause, (Evidence(BOUNCES, (day,), (name,)),), advice.OUTAGE)


def by_score(assessment: Assessment, limit: int) -> Ground:
    """A score below `limit`, and the counts by which it lost most."""
    score = assessment.score
    told = f"its {score.words} is below {limit}"
    first = assessment.day - timedelta(days=assessment.policy.score.days - 1)
    for gate, _ in sorted(score.lost.items(), key=lambda lost: -lost[1]):
        if gate not in (BOUNCES, COMPLAINTS, BLOCKS):
            continue
        row = _since(_row(assessment, gate), first)
        if not any(row.bad):
            continue
        days = convincing(row, _limits(assessment, gate, row))
        clause = f"{told}, most by {counted(gate, row, days, sums_first=True)}"
        return Ground(clause, (_evidence(assessment, gate, days, ()),), advice.SCORE)
    return Ground(told, (), advice.SCORE)


def few_complaints(assessment: Assessment, days: Row) -> Ground:
    """Complaints about so little mail that no rate can be told."""
    bad = [(day, count) for day, count, _ in zip(*days, strict=True) if count]
    each = ", ".join(f"{count} on {day}" for day, count in bad[-3:])
    when = f"on {bad[0][0]}" if len(bad) == 1 else f"({each})"
    total, sent = sum(days.bad), whole_count(COMPLAINTS, sum(days.messages))
    clause = f"{bad_count(COMPLAINTS, total)} {when} about only {sent}, too few to tell a rate"
    shown = tuple(day for day, _ in bad[-3:])
    return Ground(clause, (_evidence(assessment, COMPLAINTS, shown, ()),), advice.FEW_COMPLAINTS)


def like_its_stream(assessment: Assessment) -> Ground:
    """Bounces of the IP on the days on which the others of its stream bounced too."""
    days = assessment.judged.recipient_list_days
    count = counted(BOUNCES, _row(assessment, BOUNCES), days)
    evidence = _evidence(assessment, BOUNCES, days, ())
    what = _at_one_provider(assessment, BOUNCES, days) or advice.stream(BOUNCES)
    return Ground(count, (evidence,), what)


def by_slowing(assessment: Assessment, factors: Mapping[str, float]) -> Ground:
    """Why some or all of an IP's mail is slowed: by what fell today, with its counts; else since when it is."""
    grounds = []
    for name, factor in factors.items():
        since = assessment.throttle.slowed_on.get(name)
        fell = since == assessment.day
        known = f" since {since}" if since and not fell else ""
        if name == WHOLE:
            limit = assessment.policy.score.slow_below
            low = assessment.score.surely_below(limit)
            ground = by_score(assessment, limit) if fell and low else Ground("", (), advice.SLOWED)
            clause = f"{ground.clause}, which" if ground.clause else f"its {assessment.score.words}"
            grounds.append(ground._replace(clause=f"{clause} leaves it {factor:.0%} of its speed{known}"))
            continue
        proven = by_provider(assessment, name) if fell else None
        gets = _gets(assessment, name, factor)
        if proven:
            grounds.append(proven._replace(clause=f"{proven.clause} and {gets}"))
        else:
            wait = advice.SLOWED if factor > PROBING else advice.SUSPENDED
            grounds.append(Ground(f"{named(name)} {gets}{known}", (), wait))
    return joined(grounds)


def _gets(assessment: Assessment, name: str, factor: float) -> str:
    if factor == SUSPENDED:
        return f"is suspended for {amount(assessment.policy.suspend.days, 'day')}"
    if factor == PROBING:
        return f"is tried with {amount(assessment.policy.suspend.probe, 'message')} a day"
    return f"gets {factor:.0%} of its part"


def fallen(assessment: Assessment) -> dict[str, float]:
    """What lost speed at the end of this very day."""
    before, now = assessment.seen.throttle_factors, assessment.throttle
    return {
        name: factor
        for name, factor in now.throttle_factors.items()
        if factor < before.get(name, 1.0) and now.slowed_on.get(name) == assessment.day
    }


def _at_one_provider(assessment: Assessment, gate: str, days: Collection[date]) -> str:
    """What to do where nearly all bounces of the days come from one provider, and the others' are fine; "" elsewhere."""
    if gate != BOUNCES:
        return ""
    counts = counts_by_provider(gate, assessment.seen.providers, days)
    bad, sent = (sum(each) for each in zip(*counts.values(), strict=True)) if counts else (0, 0)
    for name, (bad_here, sent_here) in counts.items():
        fine = bad - bad_here <= assessment.policy.gates.bounces.limit * (sent - sent_here)
        if name != OTHER and bad_here >= NEARLY_ALL * bad > 0 and fine and sent > sent_here:
            return advice.one_provider(named(name))
    return ""


def _evidence(
    assessment: Assessment, gate: str, days: Iterable[date], providers: tuple[str, ...]
) -> Evidence:
    shown = tuple(days)
    worst = "" if providers else worst_provider(gate, assessment.seen.providers, shown)
    return Evidence(gate, shown, providers, worst)


def _where(assessment: Assessment, provider: str | None) -> tuple[str, tuple[str, ...]]:
    """At which provider, in words and by name; neither where nobody knows providers."""
    if provider is None or not assessment.seen.providers:
        return "", ()
    return f" at {named(provider)}", (provider,)


def _limits(assessment: Assessment, gate: str, row: Row) -> list[float]:
    limit: float = getattr(assessment.policy.gates, gate).limit
    excused = assessment.judged.excused if gate == BOUNCES else {}
    return [excused.get(day, limit) for day in row.day]


def _rows(assessment: Assessment, gate: str) -> Mapping[str, Row]:
    basis, gates = assessment.basis, assessment.policy.gates
    if gate == COMPLAINTS:
        return complaint_rows(basis, gates.complaint_days)
    if gate == BLOCKS:
        return block_rows(basis)
    return pressure_rows(basis, assessment.day - timedelta(days=gates.deferral_days - 1))


def _row(assessment: Assessment, gate: str, but: Sequence[str] = ()) -> Row:
    if gate == BOUNCES:
        days = assessment.basis.days
        return Row(days.day, days.failed, days.sent)
    rows = _rows(assessment, gate)
    if gate == DEFERRALS:
        worst = assessment.judged.worst_provider
        return rows[worst] if worst else together({})
    return together(rows, but)


def _since(row: Row, first: date) -> Row:
    at = next((place for place, day in enumerate(row.day) if day >= first), len(row.day))
    return Row(row.day[at:], row.bad[at:], row.messages[at:]) if row.day else row

"""Reads the policy file, with every mistake at once."""

from functools import cache
from pathlib import Path

from email_engine.fleet.document import Section, read_document
from email_engine.fleet.mistakes import FileInvalid, Mistakes
from email_engine.fleet.providers import shipped_providers
from email_engine.fleet.rules import UNWARMED_MOST
from email_engine.paths import CONFIG
from email_engine.reputation.gates import GATES, SCORED, Asked, Gate, GatePolicy
from email_engine.reputation.score import ScorePolicy
from email_engine.warmup.policy import (
    Ask,
    CycleStart,
    NamedLists,
    OpenRate,
    Policy,
    ProviderLimit,
    Schedule,
    Slow,
    Suspend,
    Tripwire,
    VaryingDays,
)
from email_engine.warmup.policy_values import (
    LARGEST,
    SectionReader,
    a_count,
    a_growth,
    a_rate,
    a_share,
    an_extreme,
    an_overrun,
)

NAMED_NOW = "what named lists do stands in section named_lists"
PARTS = (*SCORED, "listed", "dns")
_EXTRA = {"deferrals": ("days",), "complaints": ("days_late",)}
NO_GATE = Gate(0.0, 0, 0)


def _schedules(top: Section) -> dict[str, Schedule]:
    found: dict[str, Schedule] = {}
    section = top.section("schedules")
    if section is None or not section.given():
        top.add("schedules", "no schedule", "one or more schedules by name")
        return found
    for name in section.given():
        one = section.section(name)
        if one is None:
            continue
        one.only("stages", "sent_days")
        stages = tuple(int(text) for text in one.texts("stages", a_count))
        if not stages or list(stages) != sorted(set(stages)):
            one.add("stages", f"{list(stages)}", "one or more numbers, each greater than the one before")
        found[name] = Schedule(stages, one.number("sent_days", 1, 30))
    return found


def _providers(top: Section) -> dict[str, ProviderLimit]:
    section = top.section("providers")
    if section is not None:
        section.only(*(provider.name for provider in shipped_providers().all))
    found: dict[str, ProviderLimit] = {}
    for name in section.given() if section else ():
        one = section.section(name) if section else None
        if one is not None:
            one.only("share", "lag")
            found[name] = ProviderLimit(
                float(one.text("share", a_share, "1") or 0), one.number("lag", 0, 100, 0)
            )
    return found


def _gate(gates: Section | None, name: str) -> Gate:
    one = gates.section(name) if gates else None
    if one is None:
        if gates and not gates.has(name):
            gates.add(name, "missing", "limit, step_back and stop")
        return NO_GATE
    one.only("limit", "step_back", "stop", *_EXTRA.get(name, ()))
    gate = Gate(
        float(one.text("limit", a_rate) or 0),
        one.number("step_back", 2, LARGEST),
        one.number("stop", 2, LARGEST),
    )
    if gate.step_back > gate.stop:
        one.add("step_back", str(gate.step_back), f"at most stop, {gate.stop}")
    return gate


def _gates(top: Section, stream: SectionReader) -> GatePolicy:
    section = SectionReader(top, "gates", *GATES).section
    deferrals = section.section("deferrals") if section else None
    complaints = section.section("complaints") if section else None
    return GatePolicy(
        bounces=_gate(section, "bounces"),
        complaints=_gate(section, "complaints"),
        blocks=_gate(section, "blocks"),
        deferrals=_gate(section, "deferrals"),
        deferral_days=deferrals.number("days", 1, 30) if deferrals else 0,
        complaint_days=complaints.number("days_late", 0, 30) if complaints else 0,
        confidence=float(top.text("confidence", a_rate) or 0),
        stream_days=stream.number("days", 1, 30),
    )


def _advance(top: Section) -> tuple[Ask, ...]:
    found: list[Ask] = []
    for row in top.sections("advance"):
        row.only("from", *GATES)
        start = row.number("from", 1, 100)
        if start <= (found[-1].start if found else 0) or (not found and start != 1):
            row.add("from", str(start), "1 in the first row, and more in each that follows")
        found.append(Ask(start, {name: row.choice(name, Asked) or Asked.PASS for name in GATES}))
    return tuple(found)


def _tripwire(top: Section) -> Tripwire:
    read = SectionReader(
        top, "tripwire", "complaints", "below_messages",
        gone=dict.fromkeys(("named", "lists", "blocklists"), NAMED_NOW),
    )  # fmt: skip
    return Tripwire(read.number("complaints", 1, 1000), read.number("below_messages", 1, LARGEST))


def _varying_days(top: Section) -> VaryingDays:
    read = SectionReader(top, "varying_days", "extreme", "within_days", optional=True)
    return VaryingDays(read.real("extreme", an_extreme, "1.8"), read.number("within_days", 1, 30, 3))


def _named_lists(top: Section) -> NamedLists:
    read = SectionReader(top, "named_lists", "days", "receivers", "share", "many", optional=True)
    return NamedLists(
        days=read.number("days", 1, 30, 3),
        receivers=read.number("receivers", 1, 100, 2),
        share=read.real("share", a_rate, "0.05"),
        many=read.real("many", a_rate, "0.1"),
    )


def _open_rate(top: Section) -> OpenRate:
    usual = OpenRate()
    read = SectionReader(top, "open_rate", "hold", "least", "days", "min_messages", optional=True)
    return OpenRate(
        hold=read.section.truth("hold", usual.hold) if read.section else usual.hold,
        least=read.real("least", a_rate, str(usual.least)),
        days=read.number("days", 1, 30, usual.days),
        min_messages=read.number("min_messages", 1, LARGEST, usual.min_messages),
    )


def _suspend(top: Section) -> Suspend:
    read = SectionReader(top, "suspend", "days", "probe", "most", optional=True)
    return Suspend(
        read.number("days", 1, 30, 1), read.number("probe", 1, 1000, 20), read.real("most", a_rate, "0.5")
    )


def _score(top: Section) -> ScorePolicy:
    read = SectionReader(
        top, "score", "days", "min_messages", "points", "pooling", "slow_below", "pause_below"
    )
    points = read.section.section("points") if read.section else None
    if points is not None:
        points.gone("deferrals", "they slow their provider and cost no points")
        points.only(*PARTS)
    elif read.section and not read.section.has("points"):
        read.section.add("points", "missing", f"a mapping of {', '.join(PARTS)}")
    policy = ScorePolicy(
        days=read.number("days", 1, 30),
        min_messages=read.number("min_messages", 1, LARGEST),
        points={name: points.number(name, 0, 100) for name in PARTS} if points else {},
        pooling=read.number("pooling", 1, 1000),
        slow_below=read.number("slow_below", 1, 100),
        pause_below=read.number("pause_below", 1, 100),
    )
    if read.section and policy.pause_below > policy.slow_below:
        read.section.add("pause_below", str(policy.pause_below), f"at most slow_below, {policy.slow_below}")
    return policy


def _parts(retiring: SectionReader) -> tuple[float, ...]:
    if retiring.section is None:
        return ()
    parts = tuple(float(text) for text in retiring.section.texts("parts", a_rate))
    if not parts or list(parts) != sorted(set(parts), reverse=True):
        retiring.section.add("parts", f"{list(parts)}", "one or more rates, each smaller than the one before")
    return parts


def parse_policy(text: str, source: str) -> Policy:
    """Reads a policy file; `FileInvalid` lists every mistake with its line."""
    mistakes = Mistakes()
    top = read_document(text, source, mistakes)
    if top is None:
        raise FileInvalid(source, mistakes.found)
    top.renamed("list_problem", "stream_problem")
    top.renamed("recipient_list_problem", "stream_problem")
    top.only(
        "schedules", "sent_day_rate", "unwarmed_max", "providers", "gates", "advance", "confidence", "stream_problem",
        "tripwire", "varying_days", "named_lists", "suspend", "score", "slow", "stops", "standby", "idle_days", "retiring", "cycle", "signals", "share_step", "open_rate",
    )  # fmt: skip
    stream = SectionReader(top, "stream_problem", "days", "pause_after")
    slow = SectionReader(top, "slow", "factor", "recover", "least")
    stops = SectionReader(
        top,
        "stops",
        "pause_days",
        "remember_days",
        "quarantine_at",
        "quarantine_days",
        "rest_days",
        "reentry_phases_back",
        earlier={"second_within_days": "remember_days"},
    )
    standby = SectionReader(top, "standby", "clean_days", "start", "head_room_rate")
    retiring = SectionReader(top, "retiring", "parts", "days_each")
    cycle = SectionReader(top, "cycle", "active_days", "start")
    signals = SectionReader(
        top,
        "signals",
        "accounting_lag_hours",
        "dns_max_age_hours",
        "blocklists_max_age_hours",
        "overrun_rate",
        earlier={"lists_max_age_hours": "blocklists_max_age_hours"},
    )
    policy = Policy(
        schedules=_schedules(top),
        sent_day_rate=float(top.text("sent_day_rate", a_rate) or 0),
        unwarmed_max=top.number("unwarmed_max", 1, UNWARMED_MOST),
        providers=_providers(top),
        gates=_gates(top, stream),
        advance=_advance(top),
        stream_pause_after=stream.number("pause_after", 1, 30),
        tripwire=_tripwire(top),
        varying_days=_varying_days(top),
        named_lists=_named_lists(top),
        suspend=_suspend(top),
        score=_score(top),
        slow=Slow(slow.real("factor"), slow.real("recover", a_growth), slow.real("least")),
        pause_days=stops.number("pause_days", 1, 90),
        remember_days=stops.number("remember_days", 1, 365),
        quarantine_at=stops.number("quarantine_at", 2, 10, 3),
        quarantine_days=stops.number("quarantine_days", 1, 365),
        rest_days=stops.number("rest_days", 1, 365),
        reentry_phases_back=stops.number("reentry_phases_back", 0, 100),
        clean_days=standby.number("clean_days", 1, 90),
        auto_start_standby=standby.automatic("start"),
        head_room_rate=standby.real("head_room_rate"),
        idle_days=top.number("idle_days", 1, 30),
        retiring_parts=_parts(retiring),
        retiring_days_each=retiring.number("days_each", 1, 30),
        cycle_active_days=cycle.number("active_days", 1, 3650),
        cycle_start=(cycle.section and cycle.section.choice("start", CycleStart)) or CycleStart.NEVER,
        accounting_lag_hours=signals.number("accounting_lag_hours", 0, 23),
        dns_max_age_hours=signals.number("dns_max_age_hours", 1, 168),
        blocklists_max_age_hours=signals.number("blocklists_max_age_hours", 1, 168),
        overrun_rate=signals.real("overrun_rate", an_overrun),
        share_step=top.number("share_step", 1, 10_000),
        open_rate=_open_rate(top),
    )
    if slow.section and policy.slow.least > policy.slow.factor > 0:
        slow.section.add("least", str(policy.slow.least), f"at most factor, {policy.slow.factor}")
    for name, schedule in policy.schedules.items():
        if schedule.stages and schedule.stages[0] > policy.unwarmed_max > 0:
            seen = f"the first stage of {name} is {schedule.stages[0]}"
            top.add("schedules", seen, f"at most unwarmed_max, {policy.unwarmed_max}: nobody starts above it")
    if mistakes.found:
        raise FileInvalid(source, mistakes.found)
    return policy


def load_policy(path: Path | None = None) -> Policy:
    """The policy of a file, by default the one that the project ships (include/config/policy.yaml)."""
    path = path or CONFIG / "policy.yaml"
    return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, _changed: int) -> Policy:
    return parse_policy(path.read_text(encoding="utf-8"), path.name)

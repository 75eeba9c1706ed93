"""The warm-up policy as data: read with every mistake at once, known by its digest."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from email_engine.fleet.document import Section, read_document
from email_engine.fleet.mistakes import FileInvalid, Mistakes
from email_engine.home import CONFIG

LARGEST = 10_000_000


@dataclass(frozen=True, slots=True)
class Schedule:
    """`stages`: messages a UTC day, phase 1 first; each takes `sent_days` days on which it was really sent."""

    stages: tuple[int, ...]
    sent_days: int


@dataclass(frozen=True, slots=True)
class Gate:
    """`limit`: rate 0..1; `must_pass_from`: first phase that asks for a proof below it, 0 for none."""

    limit: float
    must_pass_from: int


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that `decide_day` and `plan_tenant` go by; the file explains each value."""

    schedules: Mapping[str, Schedule]
    sent_day_rate: float
    bounces: Gate
    complaints: Gate
    step_back_evidence: int
    stop_evidence: int
    confidence: float
    tripwire_complaints: int
    tripwire_below_messages: int
    pause_days: int
    second_within_days: int
    quarantine_days: int
    rest_days: int
    clean_days: int
    auto_start_standby: bool
    head_room_rate: float
    retiring_parts: tuple[float, ...]
    retiring_days_each: int
    accounting_lag_hours: int
    dns_max_age_hours: int
    lists_max_age_hours: int
    share_step: int

    @property
    def digest(self) -> str:
        """sha256 of the values as canonical JSON: comments and layout do not count."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def _rate(text: str) -> str | None:
    try:
        good = 0 < float(text) < 1
    except ValueError:
        good = False
    return None if good else "a rate between 0 and 1, like 0.05"


def _count(text: str) -> str | None:
    good = text.isdecimal() and 0 < int(text) <= LARGEST
    return None if good else f"a whole number from 1 to {LARGEST}"


def _starter(text: str) -> str | None:
    return None if text in ("person", "automatic") else "person or automatic"


class _Reader:
    """Reads values of one section; a missing section is noted once and reads as empty values."""

    def __init__(self, top: Section, key: str, *known: str) -> None:
        self.section = top.section(key)
        if self.section is None:
            if not top.has(key):
                top.add(key, "missing", f"a mapping of {', '.join(known)}")
        else:
            self.section.only(*known)

    def number(self, key: str, lowest: int, highest: int) -> int:
        return self.section.number(key, lowest, highest) if self.section else 0

    def rate(self, key: str) -> float:
        return float(self.section.text(key, _rate) or 0) if self.section else 0.0

    def automatic(self, key: str) -> bool:
        return self.section is not None and self.section.text(key, _starter) == "automatic"


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
        stages = tuple(int(text) for text in one.texts("stages", _count))
        if not stages or list(stages) != sorted(set(stages)):
            one.add("stages", f"{list(stages)}", "one or more numbers, each greater than the one before")
        found[name] = Schedule(stages, one.number("sent_days", 1, 30))
    return found


def _gate(gates: Section | None, name: str) -> Gate:
    one = gates.section(name) if gates else None
    if one is None:
        if gates and not gates.has(name):
            gates.add(name, "missing", "a limit and must_pass_from")
        return Gate(0.0, 0)
    one.only("limit", "must_pass_from")
    return Gate(float(one.text("limit", _rate) or 0), one.number("must_pass_from", 0, 100))


def _parts(retiring: _Reader) -> tuple[float, ...]:
    if retiring.section is None:
        return ()
    parts = tuple(float(text) for text in retiring.section.texts("parts", _rate))
    if not parts or list(parts) != sorted(set(parts), reverse=True):
        retiring.section.add("parts", f"{list(parts)}", "one or more rates, each smaller than the one before")
    return parts


def parse_policy(text: str, source: str) -> Policy:
    """Reads a policy file; `FileInvalid` lists every mistake with its line."""
    mistakes = Mistakes()
    top = read_document(text, source, mistakes)
    if top is None:
        raise FileInvalid(source, mistakes.found)
    top.only(
        "schedules", "sent_day_rate", "gates", "evidence", "tripwire", "stops", "standby", "retiring", "signals",
        "share_step",
    )  # fmt: skip
    gates = _Reader(top, "gates", "bounces", "complaints").section
    evidence = _Reader(top, "evidence", "step_back", "stop", "confidence")
    tripwire = _Reader(top, "tripwire", "complaints", "below_messages")
    stops = _Reader(top, "stops", "pause_days", "second_within_days", "quarantine_days", "rest_days")
    standby = _Reader(top, "standby", "clean_days", "start", "head_room_rate")
    retiring = _Reader(top, "retiring", "parts", "days_each")
    signals = _Reader(top, "signals", "accounting_lag_hours", "dns_max_age_hours", "lists_max_age_hours")
    policy = Policy(
        schedules=_schedules(top),
        sent_day_rate=float(top.text("sent_day_rate", _rate) or 0),
        bounces=_gate(gates, "bounces"),
        complaints=_gate(gates, "complaints"),
        step_back_evidence=evidence.number("step_back", 2, LARGEST),
        stop_evidence=evidence.number("stop", 2, LARGEST),
        confidence=evidence.rate("confidence"),
        tripwire_complaints=tripwire.number("complaints", 1, 1000),
        tripwire_below_messages=tripwire.number("below_messages", 1, LARGEST),
        pause_days=stops.number("pause_days", 1, 90),
        second_within_days=stops.number("second_within_days", 1, 365),
        quarantine_days=stops.number("quarantine_days", 1, 365),
        rest_days=stops.number("rest_days", 1, 365),
        clean_days=standby.number("clean_days", 1, 90),
        auto_start_standby=standby.automatic("start"),
        head_room_rate=standby.rate("head_room_rate"),
        retiring_parts=_parts(retiring),
        retiring_days_each=retiring.number("days_each", 1, 30),
        accounting_lag_hours=signals.number("accounting_lag_hours", 0, 23),
        dns_max_age_hours=signals.number("dns_max_age_hours", 1, 168),
        lists_max_age_hours=signals.number("lists_max_age_hours", 1, 168),
        share_step=top.number("share_step", 1, 10_000),
    )
    if evidence.section and policy.step_back_evidence > policy.stop_evidence:
        evidence.section.add(
            "step_back", str(policy.step_back_evidence), f"at most stop, {policy.stop_evidence}"
        )
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

"""Scenario files: YAML to a `Scenario`, with every mistake and its line."""

from pathlib import Path

from email_engine.errors import InputError
from email_engine.fleet import names
from email_engine.fleet.config_file import load_config, parse_config
from email_engine.fleet.document import Section
from email_engine.fleet.mistakes import one_of
from email_engine.fleet.scalars import between
from email_engine.paths import CONFIG
from email_engine.plural import excerpt
from email_engine.simulation.scenario import (
    RATES,
    Begin,
    Demand,
    DomainChange,
    Fault,
    Happening,
    IpKind,
    Reports,
    Scenario,
    TrueRates,
)

SHIPPED = CONFIG / "scenarios"
_RATE_KEYS = tuple(f"{name}_rate" for name in RATES)
_EVENT_KEYS = ("name", "fault", "day", "days", "share", "same_as", "provider", "listed_days")
_DAILY_KEYS = tuple(f"{name}_rate_daily" for name in RATES)


_RATIO = between(0, 1, "a ratio from 0 to 1, like 0.05")


def _rates(section: Section, keys: tuple[str, ...]) -> TrueRates:
    return TrueRates(*(section.real(key, _RATIO, 0) for key in keys))


def _whole(top: Section, key: str, shares: list[float], mistakes: int) -> None:
    """Notes shares that are not 1 in all, unless one of them is a mistake itself: more than the `mistakes` before them."""
    if top.has(key) and len(top.mistakes.found) == mistakes and abs(sum(shares) - 1) > 1e-6:
        top.add(key, f"shares of {sum(shares):g} in all", "shares of 1 in all")


def _kinds(top: Section) -> tuple[IpKind, ...]:
    kinds, before = [], len(top.mistakes.found)
    for section in top.sections("kinds"):
        section.only("name", "share", *_RATE_KEYS, *_DAILY_KEYS)
        name, share = section.text("name", names.words), section.real("share", _RATIO)
        kinds.append(IpKind(name, share, _rates(section, _RATE_KEYS), _rates(section, _DAILY_KEYS)))
    _whole(top, "kinds", [kind.share for kind in kinds], before)
    return tuple(kinds)


def _providers(top: Section) -> dict[str, float]:
    if not top.has("providers"):
        return {"all": 1.0}
    before, section = len(top.mistakes.found), top.part("providers")
    found = {name: section.real(name, _RATIO) for name in section.given()}
    _whole(top, "providers", list(found.values()), before)
    return found


def _demand(top: Section) -> Demand:
    section, usual = top.part("demand", "messages", "weekend_rate", "spread_rate", needed=False), Demand()
    return Demand(
        section.number("messages", 1, 100_000_000, usual.messages),
        section.real("weekend_rate", _RATIO, usual.weekend_rate),
        section.real("spread_rate", _RATIO, usual.spread_rate),
    )


def _reports(top: Section, providers: dict[str, float]) -> Reports:
    section = top.part("reports", "late_days", "undated_rate", "silent", needed=False)
    silent = section.texts("silent", names.name)
    for name in silent:
        if name not in providers:
            section.add("silent", name, f"some of {', '.join(providers)}")
    return Reports(
        section.number("late_days", 0, 30, 0), section.real("undated_rate", _RATIO, 0), frozenset(silent)
    )


def _happenings(top: Section, providers: dict[str, float]) -> tuple[Happening, ...]:
    """`providers`: those that an event may name; empty where a mistake leaves them unknown."""
    found: list[Happening] = []
    for section in top.sections("events") if top.has("events") else ():
        section.gone("grave_rate", "every list that replies name is asked")
        section.only(*_EVENT_KEYS, *_RATE_KEYS)
        earlier = section.text("same_as", names.words, "") or None
        if earlier and earlier not in [one.name for one in found]:
            section.add(
                "same_as",
                excerpt(earlier),
                f"an earlier event, {one_of([one.name for one in found], earlier)}",
            )
        provider = section.text("provider", names.name, "") or None
        if provider and providers and provider not in providers:
            section.add("provider", excerpt(provider), one_of(providers, provider))
        found.append(
            Happening(
                name=section.text("name", names.words),
                fault=section.choice("fault", Fault) or Fault.IP,
                day=section.number("day", 1, 10_000),
                days=section.number("days", 1, 10_000, 1),
                share=section.real("share", _RATIO, 1),
                provider=provider,
                rates=_rates(section, _RATE_KEYS),
                listed_days=section.number("listed_days", 0, 1_000, 0),
                same_as=earlier,
            )
        )
    return tuple(found)


def _domain_changes(top: Section) -> tuple[DomainChange, ...]:
    found = []
    for section in top.sections("domain_changes") if top.has("domain_changes") else ():
        section.only("day", "share")
        found.append(DomainChange(section.number("day", 1, 10_000), section.real("share", _RATIO, 1)))
    return tuple(found)


def parse_scenario(text: str, source: str) -> Scenario:
    """Reads a scenario file; `FileInvalid` lists every mistake with its line."""
    return parse_config(text, source, read_scenario)


def read_scenario(top: Section) -> Scenario:
    """The file's top mapping as a scenario; mistakes are noted."""
    top.only(
        "title", "expects", "begin", "pool", "providers", "demand", "reports", "bounce_deviation", "kinds", "events",
        "domain_changes",
    )  # fmt: skip
    providers = _providers(top)
    known = {} if top.mistakes.found else providers
    return Scenario(
        title=top.text("title", names.words),
        begin=top.choice("begin", Begin, Begin.FLEET) or Begin.FLEET,
        providers=providers,
        kinds=_kinds(top),
        demand=_demand(top),
        happenings=_happenings(top, known),
        reports=_reports(top, providers),
        bounce_deviation=top.real("bounce_deviation", _RATIO, 0),
        expects=top.text("expects", names.words, ""),
        pool=top.number("pool", 0, 10_000, 0),
        domain_changes=_domain_changes(top),
    )


def shipped_names() -> tuple[str, ...]:
    """The scenarios of include/config/scenarios/."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.yaml")))


def load_scenario(name: str) -> Scenario:
    """A shipped scenario by its name, or any file; raises `InputError` for neither."""
    path = SHIPPED / f"{name}.yaml" if name in shipped_names() else Path(name)
    if not path.is_file():
        raise InputError(
            f"scenario {name}", "no such name or file", ", ".join(shipped_names()), "name one, or a file"
        )
    return load_config(path, "scenario file", read_scenario)

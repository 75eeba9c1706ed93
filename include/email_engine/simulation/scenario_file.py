"""Scenario files: YAML to a `Scenario`, with every mistake and its line."""

from pathlib import Path

from email_engine.errors import InputError
from email_engine.fleet import names
from email_engine.fleet.config_file import read_text
from email_engine.fleet.document import Section, plain_number, read_document
from email_engine.fleet.mistakes import FileInvalid, Mistakes
from email_engine.paths import CONFIG
from email_engine.simulation.scenario import (
    RATES,
    Begin,
    Demand,
    Fault,
    Happening,
    IpKind,
    Scenario,
    TrueRates,
)

SHIPPED = CONFIG / "scenarios"
_RATE_KEYS = tuple(f"{name}_rate" for name in RATES)
_EVENT_KEYS = ("name", "fault", "day", "days", "share", "same_as", "provider", "listed_days")
_DAILY_KEYS = tuple(f"{name}_rate_daily" for name in RATES)


def _ratio(text: str) -> str | None:
    try:
        good = plain_number(text) and 0 <= float(text) <= 1
    except ValueError:
        good = False
    return None if good else "a ratio from 0 to 1, like 0.05"


def _number(section: Section, key: str, default: str | None = "0") -> float:
    return float(section.text(key, _ratio, default) or 0)


def _rates(section: Section, keys: tuple[str, ...]) -> TrueRates:
    return TrueRates(*(_number(section, key) for key in keys))


def _kinds(top: Section) -> tuple[IpKind, ...]:
    kinds = []
    for section in top.sections("kinds"):
        section.only("name", "share", *_RATE_KEYS, *_DAILY_KEYS)
        name, share = section.text("name", names.words), _number(section, "share", None)
        kinds.append(IpKind(name, share, _rates(section, _RATE_KEYS), _rates(section, _DAILY_KEYS)))
    if kinds and abs(sum(kind.share for kind in kinds) - 1) > 1e-6:
        top.add("kinds", f"shares of {sum(kind.share for kind in kinds):g} in all", "shares of 1 in all")
    return tuple(kinds)


def _providers(top: Section) -> dict[str, float]:
    section = top.section("providers")
    if section is None:
        return {"all": 1.0}
    found = {name: _number(section, name) for name in section.given()}
    if abs(sum(found.values()) - 1) > 1e-6:
        top.add("providers", f"shares of {sum(found.values()):g} in all", "shares of 1 in all")
    return found


def _demand(top: Section) -> Demand:
    section = top.section("demand")
    if section is None:
        return Demand()
    section.only("messages", "weekend_rate", "spread_rate")
    return Demand(
        section.number("messages", 1, 100_000_000, Demand().messages),
        _number(section, "weekend_rate", "1"),
        _number(section, "spread_rate"),
    )


def _happenings(top: Section, providers: dict[str, float]) -> tuple[Happening, ...]:
    found: list[Happening] = []
    for section in top.sections("events") if top.has("events") else ():
        section.only(*_EVENT_KEYS, *_RATE_KEYS)
        earlier = section.text("same_as", names.words, "") or None
        if earlier and earlier not in [one.name for one in found]:
            section.add("same_as", earlier, "the name of an earlier event")
        provider = section.text("provider", names.name, "") or None
        if provider and provider not in providers:
            section.add("provider", provider, f"one of {', '.join(providers)}")
        found.append(
            Happening(
                name=section.text("name", names.words),
                fault=section.choice("fault", Fault) or Fault.IP,
                day=section.number("day", 1, 10_000),
                days=section.number("days", 1, 10_000, 1),
                share=_number(section, "share", "1"),
                provider=provider,
                rates=_rates(section, _RATE_KEYS),
                listed_days=section.number("listed_days", 0, 1_000, 0),
                same_as=earlier,
            )
        )
    return tuple(found)


def parse_scenario(text: str, source: str) -> Scenario:
    """Reads a scenario file; `FileInvalid` lists every mistake with its line."""
    mistakes = Mistakes()
    top = read_document(text, source, mistakes)
    if top is None:
        raise FileInvalid(source, mistakes.found)
    top.only("title", "begin", "providers", "demand", "kinds", "events")
    providers = _providers(top)
    scenario = Scenario(
        title=top.text("title", names.words),
        begin=(top.choice("begin", Begin) if top.has("begin") else None) or Begin.FLEET,
        providers=providers,
        kinds=_kinds(top),
        demand=_demand(top),
        happenings=_happenings(top, providers),
    )
    if mistakes.found:
        raise FileInvalid(source, mistakes.found)
    return scenario


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
    return parse_scenario(read_text(path, "scenario file"), path.name)

"""What to adopt: hosts, MailWizz instances, and what a person says about them; out of a form or a shell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from email_engine.adoption.answers import Answers, read_answers
from email_engine.errors import InputError
from email_engine.fleet import names
from email_engine.fleet.parse import MAIN_CONFIG
from email_engine.forms import one_line
from email_engine.plural import excerpt

FORM = (
    "hosts", "mailwizz", "tenant", "stream", "purpose", "consent", "risk_class", "schedule", "public", "config_file", "days",
)  # fmt: skip
DAYS = 30
MOST_DAYS = 60
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class HostAsked:
    """`connection`: of type powermta."""

    name: str
    connection: str


@dataclass(frozen=True, slots=True)
class InstanceAsked:
    """`tenant` None: nobody says whose it is. `connection`: of type mailwizz_db."""

    name: str
    tenant: str | None
    connection: str


@dataclass(frozen=True, slots=True)
class AdoptRequest:
    """`tenant`: whose is what nothing else tells apart. `days` of accounting; `config_file`: PowerMTA's main file on the hosts."""

    hosts: tuple[HostAsked, ...]
    instances: tuple[InstanceAsked, ...]
    tenant: str | None = None
    days: int = DAYS
    config_file: str = MAIN_CONFIG
    answers: Answers = field(default_factory=Answers)


def read_request(given: Mapping[str, Any], schedules: frozenset[str]) -> AdoptRequest:
    """`given`: texts by FORM. Raises InputError that lists every mistake."""
    mistakes: list[str] = []
    hosts = [
        HostAsked(name, connection or f"powermta_{name}")
        for name, connection in _pairs("hosts", given.get("hosts"), names.connection, mistakes)
    ]
    tenant = one_line(given.get("tenant")) or None
    if tenant and not _TENANT.fullmatch(tenant):
        mistakes.append(
            f"tenant {excerpt(tenant)}; allowed: 1-63 of a-z 0-9 _ -, starting with a letter or digit"
        )
    pairs = _pairs("mailwizz", given.get("mailwizz"), _tenant, mistakes)
    if tenant and len(pairs) == 1 and not pairs[0][1]:
        pairs = [(pairs[0][0], tenant)]
    instances = [InstanceAsked(name, owner or None, f"mailwizz_db_{name}") for name, owner in pairs]
    owners = [instance.tenant for instance in instances if instance.tenant]
    if twice := {owner for owner in owners if owners.count(owner) > 1}:
        mistakes.append(
            f"mailwizz: tenant {min(twice)} stands twice; allowed: one instance a tenant here, further ones by hand"
        )
    if not one_line(given.get("hosts")):
        mistakes.append("hosts: none; allowed: mta-1, or mta-1=CONNECTION, with commas between several")
    config_file = one_line(given.get("config_file")) or MAIN_CONFIG
    if allowed := names.file_path(config_file):
        mistakes.append(f"config_file {excerpt(config_file)}; allowed: {allowed}")
    days = _days(given.get("days"), mistakes)
    try:
        answers = read_answers({key: given.get(key) for key in FORM}, schedules)
    except InputError as error:
        mistakes.append(error.observed)
        answers = Answers()
    if mistakes:
        raise InputError(
            "fleet adopt",
            "; ".join(mistakes),
            "a form as its fields describe it",
            "correct it; nothing was read",
        )
    return AdoptRequest(tuple(hosts), tuple(instances), tenant, days, config_file, answers)


def _tenant(text: str) -> str | None:
    return (
        None if _TENANT.fullmatch(text) else "a tenant: 1-63 of a-z 0-9 _ -, starting with a letter or digit"
    )


def _pairs(key: str, text: Any, check: names.Check, mistakes: list[str]) -> list[tuple[str, str]]:
    """`mta-1, mta-2=something`."""
    found: dict[str, str] = {}
    for part in (word.strip() for word in re.split(r"[,\s]+", str(text or "")) if word.strip()):
        name, _, value = part.partition("=")
        if allowed := names.name(name):
            mistakes.append(f"{key} {excerpt(name)}; allowed: {allowed}")
        elif value and (allowed := check(value)):
            mistakes.append(f"{key} {excerpt(value)}; allowed: {allowed}")
        elif name in found:
            mistakes.append(f"{key} {name} stands twice; allowed: each once")
        else:
            found[name] = value
    return list(found.items())


def _days(value: Any, mistakes: list[str]) -> int:
    if value is None or value == "":
        return DAYS
    text = str(value)
    if isinstance(value, bool) or not text.isdecimal() or not 1 <= int(text) <= MOST_DAYS:
        mistakes.append(f"days {excerpt(text)}; allowed: 1 to {MOST_DAYS}")
        return DAYS
    return int(text)

"""What a person asks for: IPs for a stream, and the tenant and stream themselves where they are new."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from email_engine.errors import InputError
from email_engine.fleet import names
from email_engine.fleet.entries import HIGHEST_TARGET
from email_engine.fleet.model import IpAddress, Mode, RiskClass
from email_engine.fleet.ranges import RANGE_FORMS, count_range, parse_address, parse_range
from email_engine.plural import excerpt

WHERE_ROOM_IS = ""
DEFAULT_KEY_PATH = "/etc/pmta/dkim/{domain}.pem"
HIGHEST_QUOTA = 1_000_000_000
_KEY_PATH = names.pattern(names.file_path, "n", "domain", "hostname", "selector")
KEY_SUFFIXES = (".pem", ".key")


def _key_path(text: str) -> str | None:
    """A new key's file: what ends otherwise is another file of the host's, such as its configuration."""
    return _KEY_PATH(text) or (
        None if text.endswith(KEY_SUFFIXES) else f"a path that ends in {' or '.join(KEY_SUFFIXES)}"
    )


IN_THE_FORM = {
    "range": "Addresses", "hostname": "Host names", "domain": "Sending domains", "prefixes": "Prefixes", "host": "MTA host",
    "vmta": "Virtual MTAs", "selector": "DKIM selector", "key_path": "DKIM key file", "bind_first": "Bind address", "mx": "Bounce host",
    "rua": "DMARC reports", "risk_class": "Risk class", "daily_target": "Daily target", "daily_quota": "Daily quota",
    "brand_domains": "Brand domains",
}  # fmt: skip
"""Titles of fields that are called otherwise than their keys."""


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A customer that the fleet does not know. It begins in mode `observe`."""

    title: str
    daily_quota: int
    brand_domains: tuple[str, ...] = ()
    mode: Mode = Mode.OBSERVE


@dataclass(frozen=True, slots=True)
class NewStream:
    """A stream that its tenant does not have."""

    consent: str
    risk_class: RiskClass
    mailwizz: str
    schedule: str
    daily_target: int
    pool: str
    purpose: str


@dataclass(frozen=True, slots=True)
class OnboardRequest:
    """IPs to come aboard, checked one by one and not yet against the fleet.

    `hosts`: those they shall go to, in that order; empty: where there is room. `hostname`, `domain`, `vmta`: patterns with `{n}`
    (and `{prefix}` in `domain`); `mx`: hosts that take bounces of the new domains, `rua`: the address for DMARC reports, for the
    records alone; `bind_first`: what PowerMTA binds for the first of them, behind NAT."""

    tenant: str
    stream: str
    addresses: tuple[IpAddress, ...]
    hostname: str
    domain: str
    vmta: str
    prefixes: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    selector: str = "s1"
    key_path: str = DEFAULT_KEY_PATH
    bind_first: str = ""
    mx: tuple[str, ...] = ()
    rua: str = ""
    new_tenant: NewTenant | None = None
    new_stream: NewStream | None = None
    of_a_new_stream: tuple[tuple[str, str], ...] = ()
    """Fields and values that an existing stream makes no use of."""
    stepped_over: int = 0
    """Addresses of the range that end in .0 or .255 and are none of `addresses`."""


FORM = (
    "tenant", "stream", "range", "hostname", "domain", "prefixes", "host", "vmta", "selector", "key_path", "bind_first", "mx", "rua",
    "title", "daily_quota", "brand_domains", "consent", "risk_class", "mailwizz", "schedule", "daily_target", "pool",
)  # fmt: skip
"""Keys that `read_request` knows."""


class _Form:
    """One mistake after the other is collected; a wrong field gives an empty value."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given
        self.mistakes: list[str] = []

    def has(self, key: str) -> bool:
        return bool(str(self.given.get(key) or "").strip())

    def text(self, key: str, check: Callable[[str], str | None], default: str | None = None) -> str:
        text = str(self.given.get(key) or "").strip()
        if not text:
            if default is None:
                self.mistakes.append(f"{key}: missing; allowed: {check('') or 'a text'}")
            return default or ""
        allowed = check(text)
        if allowed:
            self.mistakes.append(f"{key}: {excerpt(text)}; allowed: {allowed}")
            return ""
        return text

    def texts(self, key: str, check: Callable[[str], str | None]) -> tuple[str, ...]:
        """Of a list, or of one text with commas or blanks between."""
        raw = self.given.get(key) or ()
        parts = raw.replace(",", " ").split() if isinstance(raw, str) else [str(part).strip() for part in raw]
        for part in parts:
            if allowed := check(part):
                self.mistakes.append(f"{key}: {excerpt(part)}; allowed: {allowed}")
        return tuple(dict.fromkeys(parts))

    def number(self, key: str, highest: int) -> int:
        text = str(self.given.get(key) or "").strip().replace("_", "")
        if text.isascii() and text.isdecimal() and len(text) <= 12 and 1 <= int(text) <= highest:
            return int(text)
        seen = excerpt(text) if text else "missing"
        self.mistakes.append(f"{key}: {seen}; allowed: a whole number from 1 to {highest}")
        return 0


def read_request(given: Mapping[str, Any]) -> OnboardRequest:
    """The fields of the form `fleet_onboard` or of the command, as texts. `tenant` and `stream` alone mean existing ones; a new
    tenant also gives `title` and `daily_quota`, a new stream `consent`, `risk_class`, `mailwizz`, `schedule`, `daily_target`.

    Raises InputError that lists every mistake; nothing is looked up yet."""
    form = _Form(given)
    for key in sorted(set(given) - set(FORM) - {"dry_run"}):
        form.mistakes.append(f"{excerpt(key)}: unknown; allowed: {', '.join(FORM)}")
    tenant, stream = _whose(form)
    addresses = _addresses(form)
    request = OnboardRequest(
        tenant=tenant,
        stream=stream,
        addresses=addresses,
        hostname=form.text("hostname", names.pattern(names.hostname, "n")).lower(),
        domain=form.text("domain", names.pattern(names.hostname, "n", "prefix")).lower(),
        vmta=form.text("vmta", names.pattern(names.name, "n"), f"{tenant}-{stream}-{{n}}"),
        prefixes=form.texts("prefixes", names.selector),
        hosts=form.texts("host", names.name),
        selector=form.text("selector", names.selector, "s1"),
        key_path=form.text("key_path", _key_path, DEFAULT_KEY_PATH),
        bind_first=form.text("bind_first", lambda text: None, ""),
        mx=form.texts("mx", names.hostname),
        rua=form.text("rua", names.mailbox, ""),
        new_tenant=_new_tenant(form, tenant),
        new_stream=_new_stream(form, tenant, stream),
        of_a_new_stream=_beside(form),
        stepped_over=max(0, count_range(str(given.get("range") or "").strip()) - len(addresses))
        if addresses[1:]
        else 0,
    )
    _tell_apart(form, request)
    if form.mistakes:
        raise InputError(
            "onboarding", "; ".join(form.mistakes), "every field as it may be",
            f"nothing was done; correct it and start again{_titles(form.mistakes)}",
        )  # fmt: skip
    return request


def _titles(mistakes: Sequence[str]) -> str:
    keys = dict.fromkeys(mistake.partition(":")[0] for mistake in mistakes)
    named = [f"{key} is *{IN_THE_FORM[key]}*" for key in keys if key in IN_THE_FORM]
    return f" (in the form {', '.join(named)})" if named else ""


def _whose(form: _Form) -> tuple[str, str]:
    """Tenant and stream; the stream may be written whole, as `aurora/newsletter`."""
    before, slash, name = str(form.given.get("stream") or "").strip().partition("/")
    if not slash:
        return form.text("tenant", names.name), form.text("stream", names.name)
    given = str(form.given.get("tenant") or "").strip()
    if given and given != before:
        form.mistakes.append(
            f"stream: {excerpt(f'{before}/{name}')} is none of tenant {excerpt(given)}; allowed: the stream's own tenant"
        )
    form.given = {**form.given, "tenant": before, "stream": name}
    return form.text("tenant", names.name), form.text("stream", names.name)


def _addresses(form: _Form) -> tuple[IpAddress, ...]:
    text = form.text("range", lambda given: None if given else RANGE_FORMS)
    if not text:
        return ()
    try:
        if "-" in text or "/" in text:
            return parse_range(text)
        return (parse_address(text),)
    except ValueError as error:
        form.mistakes.append(f"range: {error}; allowed: {RANGE_FORMS}, or a single address")
        return ()


def _tell_apart(form: _Form, request: OnboardRequest) -> None:
    """Many IPs need a number in each of their names."""
    if len(request.addresses) < 2:
        return
    for key in ("hostname", "domain", "vmta"):
        pattern = getattr(request, key)
        if pattern and "{n}" not in pattern:
            form.mistakes.append(
                f"{key}: {excerpt(pattern)} is one name for {len(request.addresses)} IPs; allowed: a pattern with {{n}}"
            )


def _new_tenant(form: _Form, tenant: str) -> NewTenant | None:
    if not (form.has("title") or form.has("daily_quota") or form.has("brand_domains")):
        return None
    return NewTenant(
        title=form.text("title", names.words, tenant),
        daily_quota=form.number("daily_quota", HIGHEST_QUOTA),
        brand_domains=form.texts("brand_domains", names.hostname),
    )


def _beside(form: _Form) -> tuple[tuple[str, str], ...]:
    """Checked though nobody may need them: a name that nothing can be called is a mistake in any case."""
    given = (("risk_class", None), ("pool", names.name), ("schedule", names.name))
    return tuple(
        (key, form.text(key, check or (lambda _: None), "")) for key, check in given if form.has(key)
    )


_OF_A_NEW_STREAM = ("consent", "mailwizz", "daily_target")
"""Keys without which there is none; the others have a value that fits most."""


def _new_stream(form: _Form, tenant: str, stream: str) -> NewStream | None:
    if not any(form.has(key) for key in _OF_A_NEW_STREAM):
        return None
    risk = form.text(
        "risk_class",
        lambda text: None if text in tuple(RiskClass) else f"one of {', '.join(RiskClass)}",
        RiskClass.STANDARD.value,
    )
    return NewStream(
        consent=form.text("consent", names.words),
        risk_class=RiskClass(risk or RiskClass.STANDARD.value),
        mailwizz=form.text("mailwizz", names.name),
        schedule=form.text("schedule", names.name, "six_week"),
        daily_target=form.number("daily_target", HIGHEST_TARGET),
        pool=form.text("pool", names.name, f"{tenant}-{stream}"),
        purpose=stream,
    )

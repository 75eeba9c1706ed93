"""What a request adds to the fleet file: entries of IPs, and the stream and tenant around them where those are new."""

import re
from collections.abc import Mapping, Sequence

from email_engine.errors import InputError
from email_engine.fleet import names
from email_engine.fleet.model import Fleet, IpAddress
from email_engine.fleet.ranges import count_from, parse_bind_address
from email_engine.fleet.scalars import scalar
from email_engine.onboarding.placement import Part
from email_engine.onboarding.request import OnboardRequest
from email_engine.onboarding.yaml_patch import append_item, as_item

Entry = dict[str, object]
"""Keys of the fleet file, in their order, and values as they stand in YAML."""


def as_regex(pattern: str, prefixes: Sequence[str]) -> re.Pattern[str]:
    """What the pattern can give; `(?P<n>...)` is its number."""
    prefix = "|".join(map(re.escape, prefixes)) or "mail"
    parts = re.split(r"(\{n\}|\{prefix\})", pattern)
    seen = False
    out = ""
    for part in parts:
        if part == "{n}":
            out += "(?P=n)" if seen else r"(?P<n>[0-9]{1,6})"
            seen = True
        else:
            out += f"(?:{prefix})" if part == "{prefix}" else re.escape(part)
    return re.compile(out)


def entries_of(fleet: Fleet, request: OnboardRequest, parts: Sequence[Part]) -> list[Entry]:
    """One entry a host: blocks of one range that are not equal cannot share one. Raises InputError: bind addresses that nobody can have."""
    bound = _bound(request)
    at, number = 0, _first_number(fleet, request)
    made: list[Entry] = []
    for part in parts:
        mine = request.addresses[at : at + part.count]
        made.append(
            _single(request, mine[0], part.host, number, bound[at] if bound else None)
            if part.count == 1
            else _range(request, mine, part.host, number, bound[at] if bound else None)
        )
        at, number = at + part.count, number + part.count
    return made


def _bound(request: OnboardRequest) -> tuple[IpAddress, ...]:
    """What PowerMTA binds for each, in the order of the addresses, stepping over .0 and .255 as they do; none without `bind_first`."""
    if not request.bind_first:
        return ()
    count = len(request.addresses)
    try:
        first = parse_bind_address(request.bind_first)
        bound = (first,) if count == 1 else count_from(request.bind_first, count, parse_bind_address)
        if bound[-1].is_private != first.is_private:
            raise ValueError(f"{count} addresses from {first} on leave its private network")
        return bound
    except ValueError as error:
        raise InputError(
            "bind_first", str(error), "an address that the host itself has, such as 10.0.0.5", "correct it"
        ) from None


def _first_number(fleet: Fleet, request: OnboardRequest) -> int:
    """Behind the highest number that one of the patterns has given to anybody."""
    numbers = [0]
    for name in ("hostname", "domain", "vmta"):
        pattern = as_regex(getattr(request, name), request.prefixes)
        if "n" in pattern.groupindex:
            numbers += [
                int(found["n"]) for ip in fleet.ips if (found := pattern.fullmatch(getattr(ip, name)))
            ]
    return max(numbers) + 1


def _range(
    request: OnboardRequest, mine: Sequence[IpAddress], host: str, number: int, bound: IpAddress | None
) -> Entry:
    entry: Entry = {"first": scalar(str(mine[0])), "count": len(mine)}
    if bound is not None:
        entry["bind_first"] = scalar(str(bound))
    if number != 1:
        entry["number_from"] = number
    entry |= {"hostname": _quoted(request.hostname), "domain": _quoted(request.domain)}
    if request.prefixes:
        entry["prefixes"] = f"[{', '.join(map(scalar, request.prefixes))}]"
    entry |= {"vmta": _quoted(request.vmta), "hosts": f"[{scalar(host)}]"}
    entry["dkim"] = {"selector": scalar(request.selector), "key_path": _quoted(request.key_path)}
    return entry


def _single(
    request: OnboardRequest, address: IpAddress, host: str, number: int, bound: IpAddress | None
) -> Entry:
    prefix = (request.prefixes or ("mail",))[0]
    filled = {
        "hostname": names.fill(request.hostname, n=number),
        "domain": names.fill(request.domain, n=number, prefix=prefix),
        "vmta": names.fill(request.vmta, n=number),
    }
    entry: Entry = {"address": scalar(str(address))}
    if bound is not None:
        entry["bind_address"] = scalar(str(bound))
    entry |= {key: scalar(value) for key, value in filled.items()}
    path = request.key_path.replace("{n}", str(number))
    entry |= {"host": scalar(host), "dkim": {"selector": scalar(request.selector), "key_path": _quoted(path)}}
    return entry


def _quoted(pattern: str) -> str:
    return f'"{pattern}"' if "{" in pattern else scalar(pattern)


def patch(
    text: str,
    source: str,
    fleet: Fleet,
    request: OnboardRequest,
    entries: list[Entry],
    notes: list[str],
) -> tuple[str, list[str]]:
    """The file with these entries, and the lines that it has more; what a person must do beside goes to `notes`."""
    added: list[str] = []

    def add(text: str, steps: Sequence[tuple[str, str]], key: str, item: Mapping[str, object]) -> str:
        lines = as_item(item)
        added.extend(lines)
        return append_item(text, source, steps, key, lines)

    tenant, stream = ("tenants", request.tenant), ("streams", request.stream)
    known = {(one.tenant, one.name) for one in fleet.streams}
    if (request.tenant, request.stream) in known:
        for entry in entries:
            text = add(text, (tenant, stream), "ips", entry)
        return text, added
    instance = request.new_stream.mailwizz if request.new_stream else ""
    if instance not in {one.name for one in fleet.mailwizz_instances}:
        text = add(text, (), "mailwizz", {"name": scalar(instance), "tenant": scalar(request.tenant)})
        notes.append(
            f"MailWizz instance {instance} is new: make the connections mailwizz_api_{instance} and mailwizz_db_{instance} in Airflow"
        )
    new = _new_stream(request, entries)
    if request.tenant in {one.name for one in fleet.tenants}:
        return add(text, (tenant,), "streams", new), added
    return add(text, (), "tenants", _new_tenant(request) | {"streams": [new]}), added


def _new_tenant(request: OnboardRequest) -> Entry:
    new = request.new_tenant
    if new is None:
        return {}
    tenant: Entry = {
        "name": scalar(request.tenant), "title": scalar(new.title), "mode": new.mode.value, "daily_quota": new.daily_quota,
    }  # fmt: skip
    if new.brand_domains:
        tenant["brand_domains"] = f"[{', '.join(map(scalar, new.brand_domains))}]"
    return tenant


def _new_stream(request: OnboardRequest, entries: list[Entry]) -> Entry:
    new = request.new_stream
    if new is None:
        return {}
    return {
        "name": scalar(request.stream), "purpose": scalar(new.purpose), "consent": scalar(new.consent),
        "risk_class": new.risk_class.value, "pool": scalar(new.pool), "mailwizz": scalar(new.mailwizz),
        "schedule": scalar(new.schedule), "daily_target": new.daily_target, "ips": entries,
    }  # fmt: skip

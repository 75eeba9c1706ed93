"""Fleet and allowances to PowerMTA configuration: one section for the host, one for each tenant. Pure and deterministic."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from email_engine import home
from email_engine.errors import InputError
from email_engine.fleet import names
from email_engine.fleet.model import IpRecord, MtaHost
from email_engine.fleet.providers import Providers
from email_engine.mta.layout import Section
from email_engine.mta.policy import DeployPolicy
from email_engine.mta.routing import daily_cap, order, pool_members

_HARMLESS = re.compile(r"[^\x00-\x1f\x7f\"'#<>\\]*")
_FIELDS: tuple[tuple[str, names.Check], ...] = (
    ("vmta", names.name),
    ("pool", names.name),
    ("tenant", names.name),
    ("hostname", names.hostname),
    ("domain", names.hostname),
    ("dkim_selector", names.selector),
    ("dkim_key_path", names.file_path),
)


@dataclass(frozen=True, slots=True)
class VirtualMta:
    """What one <virtual-mta> says; `cap` in messages a UTC day."""

    name: str
    address: str
    hostname: str
    selector: str
    domain: str
    key_path: str
    cap: int


@dataclass(frozen=True, slots=True)
class Pool:
    name: str
    members: tuple[str, ...]
    paused: bool


def render_host(
    host: MtaHost, records: tuple[IpRecord, ...], providers: Providers, policy: DeployPolicy
) -> tuple[Section, ...]:
    """The host's section and one for each tenant with IPs there, tenants by name, virtual MTAs by address.

    Raises InputError that lists every value which must not reach a configuration file."""
    _check(host, records)
    known = {provider.name: provider for provider in providers.all}
    limits = [(rates, known[rates.name]) for rates in policy.providers if rates.name in known]
    common = {"policy": policy, "limits": limits}
    host_text = _template("host.conf.j2").render(accounting_dir=host.accounting_dir, **common)
    sections = [Section(None, host_text)]
    for tenant in sorted({r.tenant for r in records}):
        mine = sorted((r for r in records if r.tenant == tenant), key=order)
        text = _template("tenant.conf.j2").render(
            vmtas=[_virtual_mta(r, policy) for r in mine], pools=_pools(mine, policy), **common
        )
        sections.append(Section(tenant, text))
    return tuple(sections)


def _virtual_mta(record: IpRecord, policy: DeployPolicy) -> VirtualMta:
    return VirtualMta(
        name=record.vmta,
        address=str(record.address),
        hostname=record.hostname,
        selector=record.dkim_selector,
        domain=record.domain,
        key_path=record.dkim_key_path,
        cap=daily_cap(record, policy),
    )


def _pools(records: Iterable[IpRecord], policy: DeployPolicy) -> list[Pool]:
    by_pool: dict[str, list[IpRecord]] = {}
    for record in records:
        by_pool.setdefault(record.pool, []).append(record)
    found = ((name, *pool_members(members, policy)) for name, members in sorted(by_pool.items()))
    return [Pool(name, members, bool(paused)) for name, members, paused in found if members]


def _check(host: MtaHost, records: tuple[IpRecord, ...]) -> None:
    wrong = [
        f"{record.vmta!r}: {field} {getattr(record, field)!r} ({check(getattr(record, field))})"
        for record in records
        for field, check in _FIELDS
        if check(getattr(record, field))
    ]
    if names.file_path(host.accounting_dir):
        wrong.append(f"accounting_dir {host.accounting_dir!r}")
    vmtas = [record.vmta for record in records]
    twice = {name for name in vmtas if vmtas.count(name) > 1} if len(set(vmtas)) < len(vmtas) else set()
    wrong += [f"virtual MTA {name!r} stands twice" for name in sorted(twice)]
    both = {record.pool for record in records} & set(vmtas)
    wrong += [f"{name!r} is both a pool and a virtual MTA" for name in sorted(both)]
    if wrong:
        listed = "; ".join(wrong[:20]) + (f"; and {len(wrong) - 20} more" if len(wrong) > 20 else "")
        raise InputError(
            f"configuration of {host.name}",
            listed,
            "names that PowerMTA, DNS and a shell read alike",
            "correct fleet.yaml",
        )


def _harmless(value: Any) -> Any:
    """The second guard: nothing that ends a line, a value or a block passes a template's braces."""
    if not isinstance(value, str | int) or not _HARMLESS.fullmatch(str(value)):
        raise InputError(
            "PowerMTA template",
            f"value {str(value)[:80]!r}",
            "text without line breaks, quotes, #, < and >",
            "correct the fleet or the policy that it comes from",
        )
    return value


@cache
def _environment() -> Environment:
    return Environment(  # noqa: S701 (no HTML)
        loader=FileSystemLoader(home.TEMPLATES / "powermta"),
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _template(name: str) -> Any:
    return _environment().get_template(name)

"""Fleet and allowances to PowerMTA configuration: one section for the host, one for each tenant. Pure and deterministic."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from email_engine import paths
from email_engine.accounting.replies import Receiver
from email_engine.errors import InputError
from email_engine.fleet import names
from email_engine.fleet.model import IpRecord, MtaHost
from email_engine.fleet.providers import Providers
from email_engine.pmta.config.deploy_policy import DeployPolicy
from email_engine.pmta.config.layout import Section
from email_engine.pmta.config.limits import Limits
from email_engine.pmta.config.routing import daily_cap, order, pool_members
from email_engine.pmta.config.submission import plan_submissions
from email_engine.pmta.release import Release

OPERATORS_OWN = "/etc/pmta/config"
TIMED_BACKOFF = Release.parse("5.0r5")
"""The first release that is known to take `backoff-to-normal-after` as an action of a reply."""
_UNTIMED = re.compile(r",backoff-to-normal-after=[0-9a-z]+")
_HARMLESS = re.compile(r"[^\x00-\x1f\x7f\"'#<>\\]*")
_FIELDS: tuple[tuple[str, names.Check], ...] = (
    ("vmta", names.name),
    ("pool", names.name),
    ("tenant", names.name),
    ("mailwizz", names.name),
    ("hostname", names.hostname),
    ("domain", names.hostname),
    ("dkim_selector", names.selector),
    ("dkim_key_path", names.file_path),
)


@dataclass(frozen=True, slots=True)
class VirtualMta:
    """What one <virtual-mta> says; `address`: what PowerMTA binds; `cap` in messages a UTC day."""

    name: str
    address: str
    hostname: str
    selector: str
    domain: str
    key_path: str
    cap: int
    limits: "Fragment"


@dataclass(frozen=True, slots=True)
class Pool:
    name: str
    members: tuple[str, ...]
    paused: bool


class Fragment(str):
    """Text that a template made: it may stand in another one as it is."""

    __slots__ = ()


def render_host(
    host: MtaHost, records: tuple[IpRecord, ...], providers: Providers, policy: DeployPolicy
) -> tuple[Section, ...]:
    """The host's section and one for each tenant with IPs there, tenants by name, virtual MTAs by address.

    Raises InputError that lists every value which must not reach a configuration file."""
    _check(host, records)
    limits = Limits(providers, policy)
    host_text = _template("host.conf.j2").render(
        base=host.base,
        accounting_dir=host.accounting_dir,
        policy=policy,
        receivers=_receivers(host, policy),
        macros=limits.macros(records),
        rollups=[(rates.name, rates.rollup) for rates in policy.providers if policy.rollups and rates.rollup],
    )
    sections = [Section(None, host_text)]
    fragments = _Fragments(limits, policy)
    by_tenant: dict[str, list[IpRecord]] = {}
    for record in sorted(records, key=order):
        by_tenant.setdefault(record.tenant, []).append(record)
    for tenant, mine in sorted(by_tenant.items()):
        pools = _pools(mine, policy)
        text = _template("tenant.conf.j2").render(
            vmtas=[_virtual_mta(r, policy, fragments.of(r)) for r in mine],
            pools=pools,
            submissions=plan_submissions(mine, {pool.name: pool.members for pool in pools}),
        )
        sections.append(Section(tenant, text))
    return tuple(sections)


def _receivers(host: MtaHost, policy: DeployPolicy) -> list[Receiver]:
    """Reply patterns as the host's release takes them: before 5.0r5 every backoff lasts as long as its <domain> says, for
    an action that PowerMTA does not know stops it from starting."""
    if Release.parse(host.version).surely_reaches(TIMED_BACKOFF):
        return list(policy.receivers)
    return [
        replace(
            receiver, replies=tuple(replace(r, actions=_UNTIMED.sub("", r.actions)) for r in receiver.replies)
        )
        for receiver in policy.receivers
    ]


class _Fragments:
    """The text of the limits of a virtual MTA; of those with the same limits it is made once."""

    def __init__(self, limits: Limits, policy: DeployPolicy) -> None:
        self._limits = limits
        self._policy = policy
        self._known: dict[tuple[tuple[str, int], ...], Fragment] = {}

    def of(self, record: IpRecord) -> Fragment:
        key = tuple(sorted(record.bounds.items()))
        if key not in self._known:
            template = _template("limits.conf.j2")
            text = template.render(policy=self._policy, limits=self._limits.of(record.bounds))
            self._known[key] = Fragment(text.rstrip("\n"))
        return self._known[key]


def _virtual_mta(record: IpRecord, policy: DeployPolicy, limits: Fragment) -> VirtualMta:
    return VirtualMta(
        name=record.vmta,
        address=str(record.local_address),
        hostname=record.hostname,
        selector=record.dkim_selector,
        domain=record.domain,
        key_path=record.dkim_key_path,
        cap=daily_cap(record, policy),
        limits=limits,
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
    wrong += _wrong_about_host(host)
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


def _wrong_about_host(host: MtaHost) -> list[str]:
    values: list[tuple[str, str, names.Check]] = [("accounting_dir", host.accounting_dir, names.file_path)]
    if host.base:
        values += [
            ("postmaster", host.base.postmaster, names.mailbox),
            ("log_file", host.base.log_file, names.file_path),
            ("spool", host.base.spool, names.file_path),
            *(("listeners", one, names.listener) for one in host.base.listeners),
            *(("reports", one, names.mailbox) for one in host.base.reports),
        ]
    wrong = [f"{field} {value!r} ({check(value)})" for field, value, check in values if check(value)]
    if host.config_file == OPERATORS_OWN and not host.base:
        wrong.append(
            f"config_file {host.config_file}, the operator's own, which this would overwrite: it needs a base"
        )
    return wrong


def _harmless(value: Any) -> Any:
    """The second guard: nothing that ends a line, a value or a block passes a template's braces."""
    if isinstance(value, Fragment):
        return value
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
        loader=FileSystemLoader(paths.TEMPLATES / "powermta"),
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _template(name: str) -> Any:
    return _environment().get_template(name)

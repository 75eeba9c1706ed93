"""The fleet as the database holds it, for comparison with the fleet file. Needs a session of tenant `*`."""

from ipaddress import ip_address
from typing import Any

from sqlalchemy import Connection, select

from email_engine.fleet.model import (
    Fleet,
    IpAddress,
    IpState,
    MailwizzInstance,
    Mode,
    MtaBase,
    MtaHost,
    RiskClass,
    SendingIp,
    Stream,
    Tenant,
)
from email_engine.store.schema import (
    domains,
    ips,
    mailwizz_instances,
    mta_hosts,
    streams,
    tenants,
    warmup_plans,
)


def load_fleet(conn: Connection) -> Fleet:
    """The inventory as it stands, without removed things; `initial_state` and `initial_phase` are the present ones."""
    there = select(tenants).where(~tenants.c.removed).order_by(tenants.c.name)
    found_tenants = [
        Tenant(r.name, r.title, Mode(r.mode), r.daily_quota, tuple(r.brand_domains))
        for r in conn.execute(there)
    ]
    found_streams = [
        Stream(
            r.tenant, r.name, r.purpose, r.consent, RiskClass(r.risk_class), r.pool, r.mailwizz, r.daily_quota
        )
        for r in conn.execute(
            select(streams).where(~streams.c.removed).order_by(streams.c.tenant, streams.c.name)
        )
    ]
    found_hosts = [
        mta_host(r)
        for r in conn.execute(select(mta_hosts).where(~mta_hosts.c.removed).order_by(mta_hosts.c.name))
    ]
    found_instances = [
        MailwizzInstance(
            r.name, r.tenant, r.api_connection, r.db_connection, tuple(map(_address, r.addresses))
        )
        for r in conn.execute(
            select(mailwizz_instances)
            .where(~mailwizz_instances.c.removed)
            .order_by(mailwizz_instances.c.name)
        )
    ]
    return Fleet(
        tuple(found_tenants),
        tuple(found_streams),
        tuple(found_hosts),
        tuple(found_instances),
        _load_ips(conn),
    )


def mta_host(row: Any) -> MtaHost:
    """A row of `mta_hosts` as a value."""
    return MtaHost(
        name=row.name,
        connection=row.connection,
        version=row.version,
        config_file=row.config_file,
        accounting_dir=row.accounting_dir,
        base=_base(row.base_config) if row.base_config else None,
    )


def _base(document: dict[str, Any]) -> MtaBase:
    """One that an earlier release stored has no addresses of reports."""
    read: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in document.items()
    }
    return MtaBase(**read)


def _load_ips(conn: Connection) -> tuple[SendingIp, ...]:
    query = (
        select(
            ips, domains.c.name.label("domain"), domains.c.dkim_selector, domains.c.dkim_key_path,
            warmup_plans.c.schedule, warmup_plans.c.target_daily_quota, warmup_plans.c.phase,
        )
        .join(domains, domains.c.ip_id == ips.c.id)
        .join(warmup_plans, warmup_plans.c.ip_id == ips.c.id)
        .where(~ips.c.removed)
        .order_by(ips.c.id)
    )  # fmt: skip
    return tuple(
        SendingIp(
            address=_address(r.address),
            bind_address=_wanted_bind(r),
            hostname=r.hostname,
            domain=r.domain,
            tenant=r.tenant,
            stream=r.stream,
            vmta=r.vmta_name,
            pool=r.pool_name,
            mta_host=r.moving_to or r.mta_host,
            mailwizz=r.mailwizz,
            mailwizz_server_id=r.mailwizz_server_id,
            server_learned=r.server_learned,
            dkim_selector=r.dkim_selector,
            dkim_key_path=r.dkim_key_path,
            schedule=r.schedule,
            daily_target=r.target_daily_quota,
            initial_state=IpState(r.status),
            initial_phase=r.phase,
        )
        for r in conn.execute(query)
    )


def _wanted_bind(row: Any) -> IpAddress | None:
    """What an IP that moves binds is what it will bind there."""
    bound = row.moving_bind if row.moving_to else row.bind_address
    return _address(bound) if bound else None


def load_removed(conn: Connection) -> dict[IpAddress, str]:
    """The tenant of each address that was once part of the fleet and is no more."""
    found = conn.execute(select(ips.c.address, ips.c.tenant).where(ips.c.removed))
    return {_address(row.address): row.tenant for row in found}


def _address(value: Any) -> IpAddress:
    return ip_address(str(value).partition("/")[0])

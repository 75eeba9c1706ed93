"""Table `dkim_keys`: reading keys, moving them from stage to stage."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, select, update
from sqlalchemy.dialects.postgresql import insert

from email_engine.decision import Decision, Origin
from email_engine.dkim.key import SigningKey
from email_engine.dkim.stages import KeyEvent, KeyStage, next_stage
from email_engine.errors import Refused
from email_engine.fleet.key_files import key_file
from email_engine.fleet.model import Mode
from email_engine.store.judgement import decisions
from email_engine.store.schema import dkim_keys, domains, ips, mta_hosts, tenants

PIPELINE = "dkim_rotate"
POLICY = "dkim.yaml"
_K = dkim_keys.c


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends for a domain now. `selector`, `pattern`: of its first key, as the fleet file has it; `connection`: of `host`."""

    domain: str
    tenant: str
    mode: Mode
    host: str
    connection: str
    vmta: str
    selector: str
    pattern: str

    @property
    def first_key_file(self) -> str:
        return key_file(self.pattern, self.selector)


def senders(conn: Connection, tenant: str | None = None) -> tuple[Sender, ...]:
    """Every sending domain that the session may see, by host and domain."""
    query = (
        select(
            domains.c.name, ips.c.tenant, tenants.c.mode, ips.c.mta_host, mta_hosts.c.connection, ips.c.vmta_name,
            domains.c.dkim_selector, domains.c.dkim_key_path,
        )
        .join_from(ips, domains, domains.c.ip_id == ips.c.id)
        .join(mta_hosts, mta_hosts.c.name == ips.c.mta_host)
        .join(tenants, tenants.c.name == ips.c.tenant)
        .where(and_(ips.c.removed.is_(False), ips.c.status != "abandoned"))
        .order_by(ips.c.mta_host, domains.c.name)
    )  # fmt: skip
    if tenant is not None:
        query = query.where(ips.c.tenant == tenant)
    return tuple(
        Sender(
            r.name,
            r.tenant,
            Mode(r.mode),
            r.mta_host,
            r.connection,
            r.vmta_name,
            r.dkim_selector,
            r.dkim_key_path,
        )
        for r in conn.execute(query)
    )


def connections(conn: Connection) -> dict[str, str]:
    """The connection of each MTA host that the fleet has or had, by name."""
    return {
        row.name: row.connection for row in conn.execute(select(mta_hosts.c.name, mta_hosts.c.connection))
    }


def load(
    conn: Connection,
    *,
    tenant: str | None = None,
    domain: str | None = None,
    stages: Iterable[KeyStage] = KeyStage,
) -> tuple[SigningKey, ...]:
    """Keys that the session may see, by domain, oldest first."""
    query = select(dkim_keys).where(_K.stage.in_([stage.value for stage in stages]))
    for column, wanted in ((_K.tenant, tenant), (_K.domain, domain)):
        if wanted is not None:
            query = query.where(column == wanted)
    return tuple(_key(row) for row in conn.execute(query.order_by(_K.domain, _K.id)).mappings())


def signing(conn: Connection) -> dict[str, SigningKey]:
    """The key that signs for each domain that has one, by domain."""
    return {key.domain: key for key in load(conn, stages=[KeyStage.SIGNING])}


def selectors(conn: Connection) -> dict[str, str]:
    """The selector that signs for each domain whose key is known."""
    return {domain: key.selector for domain, key in signing(conn).items()}


def add(
    conn: Connection, tenant: str, domain: str, selector: str, key_path: str, origin: Origin, **made: Any
) -> SigningKey:
    """A new row, in stage `making`; where `made` has a `public_key`, as the key that signs.

    Raises Refused where the domain has a key of that selector already."""
    stage = KeyStage.SIGNING if made.get("public_key") else KeyStage.MAKING
    row = {
        "tenant": tenant, "domain": domain, "selector": selector, "key_path": key_path, "stage": stage.value,
        "since": origin.as_of, "dag_id": origin.dag_id, "run_id": origin.run_id,
    } | made  # fmt: skip
    statement = insert(dkim_keys).values(row).on_conflict_do_nothing().returning(dkim_keys)
    found = conn.execute(statement).mappings().one_or_none()
    if found is None:
        raise Refused(
            f"DKIM key {selector} of {domain}", "it is known already", "a selector that was never used",
            "nothing was done; see `email-engine dkim status`",
        )  # fmt: skip
    return _key(found)


def note(conn: Connection, key: SigningKey, **columns: Any) -> SigningKey:
    """Changes columns of a key, not its stage."""
    changed = conn.execute(update(dkim_keys).where(_K.id == key.id).values(columns).returning(dkim_keys))
    return _key(changed.mappings().one())


def move(
    conn: Connection, key: SigningKey, event: KeyEvent, reason: str, origin: Origin, **columns: Any
) -> SigningKey:
    """Takes a key to its next stage and writes down why.

    Raises:
        InputError: its stage knows no such event.
        Refused: another run has moved it meanwhile."""
    reached = next_stage(key.stage, event)
    values = columns | {
        "stage": reached.value,
        "since": origin.as_of,
        "dag_id": origin.dag_id,
        "run_id": origin.run_id,
    }
    moved = conn.execute(
        update(dkim_keys)
        .where(_K.id == key.id, _K.stage == key.stage.value)
        .values(values)
        .returning(dkim_keys)
    )
    row = moved.mappings().one_or_none()
    if row is None:
        raise Refused(
            f"DKIM key {key.selector} of {key.domain}", f"it is no longer in stage {key.stage}", "one run at a time",
            "nothing was done; the next run looks again",
        )  # fmt: skip
    decision = Decision(
        tenant=key.tenant,
        pipeline=PIPELINE,
        subject=key.domain,
        run_key=f"{origin.as_of.isoformat()} {key.selector} {event}",
        action=event.value,
        reason=reason,
        as_of=origin.as_of,
        policy_digest=POLICY,
        inputs={"from": key.stage.value, "to": reached.value, "hosts": list(key.hosts)},
    )
    decisions.record(conn, decision, origin.dag_id, origin.run_id)
    return _key(row)


def note_asked(conn: Connection, tenant: str, domain: str, action: str, reason: str, origin: Origin) -> None:
    """A person asked for it, and it was done: in the same transaction as what it did."""
    decision = Decision(
        tenant,
        PIPELINE,
        domain,
        f"{origin.run_id} {action}",
        action,
        reason,
        origin.as_of,
        POLICY,
        kind="asked",
    )
    decisions.record(conn, decision, origin.dag_id, origin.run_id)


def was_asked(conn: Connection, domain: str, action: str, run_id: str) -> bool:
    """Did this run do it already? A cleared task does nothing twice."""
    return decisions.find(conn, PIPELINE, domain, f"{run_id} {action}", "asked") is not None


def _key(row: Mapping[Any, Any]) -> SigningKey:
    fields = {name: row[name] for name in SigningKey.__dataclass_fields__}
    return SigningKey(**fields | {"stage": KeyStage(row["stage"]), "hosts": tuple(row["hosts"])})

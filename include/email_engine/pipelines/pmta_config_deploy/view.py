"""What a host runs, what it should run, and what lies between: read the same way to plan and to apply."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from sqlalchemy import Connection

from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.powermta_holds import HeldSource, read_holds
from email_engine.dkim.stages import KeyStage
from email_engine.errors import InputError
from email_engine.fleet.model import IpRecord, Mode, MtaHost
from email_engine.fleet.providers import shipped_providers
from email_engine.pipelines.pmta_config_deploy.standstill import fleet_on, read_removed_ips, standstill
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.pmta.config.deploy_policy import DeployPolicy, deploy_policy
from email_engine.pmta.config.guard import Breach, Grounds, find_breaches
from email_engine.pmta.config.inventory import VmtaBlock, read_inventory
from email_engine.pmta.config.layout import Section, compose, split_sections
from email_engine.pmta.config.plan import DeployPlan, plan_deployment
from email_engine.pmta.config.rates import per_second
from email_engine.pmta.config.reduce import only_lowers, only_reductions
from email_engine.pmta.config.render import render_host
from email_engine.pmta.config.routing import daily_cap
from email_engine.pmta.lint.gate import require_sound
from email_engine.pmta.release import Release
from email_engine.store import dkim_keys, versions
from email_engine.store.deployment import approvals, changes, deployments
from email_engine.store.deployment.approvals import Approval
from email_engine.store.deployment.deployments import Deployment
from email_engine.store.engine import ALL_TENANTS, Store

_DOMAIN_KEY = re.compile(r"(?m)^\s*domain-key\s+(\S+)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """From the database alone: no host was asked. `config` is a rollback's text, None to render from the fleet."""

    host: MtaHost
    records: tuple[IpRecord, ...]
    modes: Mapping[str, Mode]
    fleet_version: int
    decided: frozenset[str]
    may_rise: frozenset[str]
    interrupted: Deployment | None
    rollback: Deployment | None
    approval: Approval | None = None
    only_tenant: str | None = None
    removed_ips: tuple[HeldSource, ...] = ()
    first: bool = False
    """Was nothing ever deployed there?"""
    gone_keys: frozenset[tuple[str, str]] = frozenset()
    """(domain, selector) of DKIM keys that are revoked, or are to be."""
    newest: int = 0
    """Its newest deployment when the database was read, whatever became of it."""


@dataclass(frozen=True, slots=True)
class View:
    """One look at a host. `to_hold`, `to_free`: what PowerMTA holds differently from what the fleet wants.

    `running`: the file's bytes; `standing`: its text, None where there is none."""

    wanted: Wanted
    policy: DeployPolicy
    running: bytes | None
    standing: str | None
    text: str
    plan: DeployPlan
    to_hold: tuple[HeldSource, ...]
    to_free: tuple[HeldSource, ...]

    @property
    def changed(self) -> bool:
        return bool(self.plan.changed or self.to_hold or self.to_free or self.wanted.interrupted)

    @property
    def summary(self) -> str:
        words = [self.plan.summary]
        words += [f"{amount(len(self.to_hold), 'virtual MTA')} to hold"] if self.to_hold else []
        words += [f"{amount(len(self.to_free), 'virtual MTA')} to let go"] if self.to_free else []
        words += ["an interrupted deployment to finish"] if self.wanted.interrupted else []
        return "; ".join(words)

    @property
    def shown(self) -> tuple[VmtaBlock, ...]:
        """The virtual MTAs that the plan adds or changes."""
        blocks = read_inventory(self.text).vmtas
        names = (*self.plan.added, *self.plan.changed_vmtas)
        return tuple(blocks[name] for name in names if name in blocks)

    @property
    def only_lowers(self) -> bool:
        """Nothing is raised, added or taken away: it needs no canary and no watch."""
        return self.standing is not None and only_lowers(self.standing, self.text)

    @property
    def reductions(self) -> Self | None:
        """The part of this that only lowers, as a plan of its own; None where nothing is lowered."""
        if self.standing is None or not _is_utf8(self.running):
            return None
        text = only_reductions(self.standing, self.text)
        plan = plan_deployment(self.plan.host, self.standing, text)
        return replace(self, text=text, plan=plan, to_free=()) if plan.changed else None

    @property
    def as_it_stands(self) -> Self:
        """A plan that changes no file: what must be held is held all the same."""
        text = self.standing or ""
        return replace(self, text=text, plan=plan_deployment(self.plan.host, text, text), to_free=())

    @property
    def holds_there(self) -> bool:
        """Is there something to hold that the host may know already?"""
        inventory = read_inventory(self.standing or "")
        return any(inventory.may_define(source.vmta) for source in self.to_hold)


def read_wanted(store: Store, name: str, run: Run) -> Wanted:
    """Allowances are those of the run's UTC day, or of the newest day for which anything was decided.

    Raises InputError for a host that the fleet does not know."""
    rollback_to, approval = run.params.get("rollback_to"), run.internal("approval")
    with store.session(tenant=ALL_TENANTS) as conn:
        host = next((h for h in deployments.load_hosts(conn) if h.name == name), None)
        if host is None:
            raise InputError(
                f"MTA host {name}", "not in the fleet", "a host that carries IPs", "see fleet.yaml"
            )
        version = versions.current(conn)
        if not version and not run.dry_run:
            version = versions.bump(conn, "first deployment", (run.dag_id, run.run_id))
        records, modes = fleet_on(conn, name, run)
        last = deployments.last_whole(conn, name)
        return Wanted(
            host=host,
            records=records,
            modes=modes,
            fleet_version=version,
            decided=changes.decided_since(conn, name, last),
            may_rise=changes.given_since(conn, name, last),
            interrupted=deployments.interrupted(conn, name),
            rollback=deployments.find(conn, int(rollback_to)) if rollback_to else None,
            approval=approvals.require_usable(conn, int(approval), name, run.run_id) if approval else None,
            only_tenant=_known_tenant(run.params.get("tenant"), modes),
            removed_ips=read_removed_ips(conn, name),
            first=last is None,
            newest=deployments.newest_id(conn, name),
            gone_keys=_gone_keys(conn) if rollback_to else frozenset(),
        )


def _known_tenant(asked: str | None, modes: Mapping[str, Mode]) -> str | None:
    if asked and asked not in modes:
        raise InputError(
            "param tenant", f"{asked} has no IP there", f"one of {', '.join(sorted(modes))}", "see `host`"
        )
    return asked or None


def look(mta: PowerMta, wanted: Wanted) -> View:
    """Reads the host's file and holds, renders what should stand there, compares.

    Raises InputError where another release of PowerMTA runs there than the fleet says, and where the linter finds an
    error in what should stand there."""
    policy = deploy_policy()
    _require_release(mta, wanted.host)
    running = mta.read(wanted.host.config_file)
    standing = None if running is None else running.decode("utf-8", "replace")
    text = _text(wanted, standing, policy)
    _require_living_keys(wanted, text)
    if text != standing:
        _require_readable(wanted.host, running, text)
        require_sound(wanted.host, text, standing)
    if running is None and not text:
        text, standing = "", ""
    still = standstill(wanted.records, wanted.modes, wanted.removed_ips, text, policy)
    seen = {hold.vmta: hold for hold in read_holds(mta, (*still.held, *still.free))}
    return View(
        wanted=wanted,
        policy=policy,
        running=running,
        standing=standing,
        text=text,
        plan=plan_deployment(wanted.host.name, standing, text),
        to_hold=tuple(s for s in still.held if not seen[s.vmta].holds),
        to_free=tuple(s for s in still.free if seen[s.vmta].source_disabled),
    )


def _gone_keys(conn: Connection) -> frozenset[tuple[str, str]]:
    gone = (KeyStage.REVOKING, KeyStage.REVOKED, KeyStage.REMOVED)
    return frozenset((key.domain, key.selector) for key in dkim_keys.load(conn, stages=gone))


def _require_living_keys(wanted: Wanted, text: str) -> None:
    """An old version may name DKIM keys whose records are revoked and whose files are gone."""
    named = {(parts[1], parts[0]) for line in _DOMAIN_KEY.findall(text) if len(parts := line.split(",")) == 3}
    if wanted.gone_keys and (dead := sorted(named & wanted.gone_keys)):
        domain, selector = dead[0]
        raise InputError(
            f"rollback on {wanted.host.name}",
            f"that version signs with {len(dead)} DKIM keys that are revoked, such as {selector} of {domain}",
            "a version whose keys receivers still find",
            "nothing was changed; roll back to a later version, or let the fleet be rendered anew",
        )


def _text(wanted: Wanted, standing: str | None, policy: DeployPolicy) -> str:
    if wanted.rollback:
        sections = tuple(
            Section(tenant, text) for tenant, text in split_sections(wanted.rollback.config).items()
        )
    else:
        sections = render_host(wanted.host, wanted.records, shipped_providers(), policy)
    if wanted.only_tenant is None:
        return compose(sections, standing, wanted.modes)
    own = split_sections(standing or "").get(None)
    sections = tuple(Section(None, own) if s.tenant is None and own is not None else s for s in sections)
    modes = {t: mode if t == wanted.only_tenant else Mode.OBSERVE for t, mode in wanted.modes.items()}
    return compose(sections, standing, modes)


def _is_utf8(running: bytes | None) -> bool:
    try:
        (running or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _require_readable(host: MtaHost, running: bytes | None, text: str) -> None:
    """What others wrote there and what stays must stay to the byte."""
    if "\ufffd" in text and not _is_utf8(running):
        raise InputError(
            f"{host.config_file} on {host.name}",
            "a part of it that has to stay is not UTF-8",
            "UTF-8, so that nothing that others wrote there is lost",
            "nothing was changed; convert the file there (`iconv -f latin1 -t utf-8`)",
        )


def _require_release(mta: PowerMta, host: MtaHost) -> None:
    """The grammar differs between releases: a file for 5.0 keeps a 4.5 from starting."""
    installed = mta.version()
    seen, said = Release.read(installed), Release.read(host.version)
    if seen is None or said is None or seen.line != said.line:
        raise InputError(
            f"MTA host {host.name}",
            f"PowerMTA {installed} is installed there and the fleet says {host.version}",
            "the same release",
            "nothing was changed; correct `version` of this host in fleet.yaml, or install that release again",
        )


def breaches_of(store: Store, mta: PowerMta, view: View) -> tuple[Breach, ...]:
    """What stands between this plan and going ahead by itself; asks the host for mail that would bounce."""
    plan = view.plan
    with store.session(tenant=ALL_TENANTS) as conn:
        drifted = not deployments.is_ours(conn, plan.host, plan.old_digest)
        undone = deployments.was_undone(conn, plan.host, plan.new_digest)
    queued = {name: sum(q.recipients for q in mta.queues(f"*/{name}")) for name in plan.removed}
    modes = view.wanted.modes
    again = plan.changed_vmtas if view.wanted.rollback else ()
    no_higher = _no_higher_than_today(view)
    grounds = Grounds(
        decided={*view.wanted.decided, *again},
        may_rise={*view.wanted.may_rise, *(name for name in again if name in no_higher)},
        rates_may_rise=view.wanted.first or bool(view.wanted.rollback),
        queued=queued,
        drifted=drifted,
        tenant=view.wanted.only_tenant,
        undealt=[
            r.vmta
            for r in view.wanted.records
            if r.awaits_first_allowance and modes.get(r.tenant) is Mode.ACT
        ],
    )
    found = find_breaches(plan, grounds, view.policy)
    if undone and plan.changed:
        said = f"the watch rolled this very configuration back (deployment {undone.id})"
        found = (*found, Breach("rolled_back", said))
    return found


def _no_higher_than_today(view: View) -> frozenset[str]:
    """Virtual MTAs whose cap in an earlier version is surely not above what is decided today: 1 a day for what is parked."""
    today = {r.vmta: per_second(f"{daily_cap(r, view.policy)}/d") for r in view.wanted.records}
    inventory = read_inventory(view.text)
    seen = (block for name, block in inventory.vmtas.items() if inventory.surely(name))
    then = {block.name: per_second(block.cap or "") for block in seen}
    return frozenset(
        name for name, cap in then.items() if cap and (limit := today.get(name)) is not None and cap <= limit
    )

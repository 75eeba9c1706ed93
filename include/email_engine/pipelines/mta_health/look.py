"""One look at an MTA host over its session; what must stand still there and does not is held again."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import unified_diff
from typing import TypeVar

from email_engine.adapters import powermta_health as look
from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.powermta_health import count_queues, group_queues
from email_engine.adapters.powermta_holds import HeldSource, hold_all, holds_of
from email_engine.errors import EngineError, Unreachable
from email_engine.health.host_facts import Facts
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.pmta_config_deploy.standstill import Standstill, read_standstill
from email_engine.pipelines.run import Run
from email_engine.pmta.config.layout import digest
from email_engine.pmta.language.redaction import redact
from email_engine.store.deployment.deployments import Busy, host_lock
from email_engine.store.engine import Store
from email_engine.store.hosts.hosts import SeenHost

log = logging.getLogger(__name__)

DIFF_LINES = 60
T = TypeVar("T")


@dataclass
class HostLook:
    """`writes`: whether files may be written there, thus whether the clock is seen; `deployed`: the file as it should be."""

    store: Store
    clients: Clients
    seen: SeenHost
    deployed: str | None
    writes: bool
    run: Run

    def facts(self) -> Facts:
        """Never raises for a host that is away: that is a fact."""
        try:
            with self.clients.mta(self.seen.host.connection) as mta:
                return self._look_in(mta)
        except EngineError as error:
            return Facts(host_trouble=_brief(error))

    def _look_in(self, mta: PowerMta) -> Facts:
        host = self.seen.host
        raw = self._try(lambda: mta.read(host.config_file) or b"")
        text = None if raw is None else raw.decode("utf-8", "replace")
        facts = Facts(file=None if raw is None else digest(raw) if raw else "")
        if text and self.deployed is not None and text != self.deployed:
            self._show(self.deployed, text)
        try:
            status = look.read_status(mta)
            facts = replace(facts, status=status)
            facts = self._hold(mta, text, facts)
        except Unreachable:
            raise
        except EngineError as error:
            facts = replace(facts, powermta_trouble=_brief(error))
        folders = [host.config_file.rpartition("/")[0] or "/", host.accounting_dir]
        facts = replace(
            facts,
            disks=self._try(lambda: look.read_disks(mta, folders)) or (),
            newest=self._try(lambda: look.newest_file(mta, host.accounting_dir)),
        )
        if not self.writes:
            return facts
        try:
            return replace(facts, clock_offset=mta.clock_offset(host.config_file))
        except Unreachable:
            raise
        except EngineError as error:
            return replace(facts, write_trouble=_brief(error))

    def _try(self, ask: Callable[[], T]) -> T | None:
        """What fails for itself is unknown; a host that went away ends the look."""
        try:
            return ask()
        except Unreachable:
            raise
        except EngineError as error:
            log.warning("not seen: %s", error)
            return None

    def _hold(self, mta: PowerMta, text: str | None, facts: Facts) -> Facts:
        """Queues and sources as they stand; what must stand still and does not is held again."""
        queues, switched_off = mta.queues("*/*"), mta.disabled_sources()
        facts = replace(facts, queues=count_queues(queues), groups=group_queues(queues))
        if text is None:
            return facts
        still = self._standstill(text)
        by_hand = [
            f"{hold.vmta} ({'source disabled' if hold.source_disabled else 'queues paused'})"
            for hold in holds_of(queues, switched_off, still.free)
            if hold.source_disabled or (hold.queues and not hold.unpaused)
        ]
        facts = replace(facts, by_hand=tuple(by_hand))
        others = [s for s in switched_off if not s.queue.startswith("*/")]
        if others:
            shown = [f"{s.address} {s.queue}" for s in others[:10]]
            log.info(
                "%d sources disabled for single queues, by PowerMTA itself or by a suspension: %s",
                len(others),
                shown,
            )
        loose = {hold.vmta for hold in holds_of(queues, switched_off, still.held) if not hold.holds}
        if not loose or self.run.dry_run:
            return replace(facts, loose=tuple(sorted(loose)))
        return self._put_back(mta, text, [s for s in still.held if s.vmta in loose], facts)

    def _put_back(self, mta: PowerMta, text: str, loose: Sequence[HeldSource], facts: Facts) -> Facts:
        """The database is asked again afterwards: what was let go meanwhile is let go here too. A deployment that is under
        way holds by itself."""
        try:
            with host_lock(self.store, self.seen.host.name):
                held = hold_all(mta, loose)
                now = self._standstill(text)
                wanted, keep = {s.vmta for s in now.held}, {s.vmta: s.keep for s in now.free}
                for hold in held:
                    if hold.vmta not in wanted:
                        mta.let_go(hold.address, hold.vmta, keep.get(hold.vmta, ()))
        except Busy:
            log.info("a deployment is under way; it holds what must stand still")
            return facts
        held = tuple(hold for hold in held if hold.vmta in wanted)
        return replace(
            facts,
            put_back=tuple(h.vmta for h in held if h.holds),
            loose=tuple(h.vmta for h in held if not h.holds),
        )

    def _standstill(self, text: str) -> Standstill:
        return read_standstill(self.store, self.seen.host.name, self.run, text)

    def _show(self, deployed: str, found: str) -> None:
        """The lines that somebody edited, secrets hidden."""
        lines = list(
            unified_diff(
                redact(deployed).splitlines(), redact(found).splitlines(), "deployed", "found", "", "", 1, ""
            )
        )
        for line in lines[:DIFF_LINES]:
            log.warning("%s", line)
        if len(lines) > DIFF_LINES:
            log.warning("... and %d lines more", len(lines) - DIFF_LINES)


def _brief(error: EngineError) -> str:
    return f"{error.observed}. Next: {error.next_step}"

"""The queues of a host under its running configuration, and what people switched off."""

from dataclasses import replace

from lab.powermta.config_domains import DomainSettings, matches_pattern
from lab.powermta.config_model import Model
from lab.powermta.mail_queue import Mail, Queue, queue_settings
from lab.powermta.mailbox_providers import provider_of
from lab.powermta.queue_names import covers
from lab.powermta.rate_windows import DailyWindow, Window, WindowRules, window_for
from lab.powermta.sending_state import Switches

NOTHING = Model({}, {}, (), (), DomainSettings(()), (), {}, {}, "", {})


class QueueBook:
    """Queues by virtual MTA and domain. All moments are unix seconds."""

    def __init__(self) -> None:
        self.model = NOTHING
        self.rules = WindowRules()
        self.switches = Switches()
        self.pause_covers_new_queues = True
        self.by_vmta: dict[str, dict[str, Queue]] = {}
        self._generation = 0
        self._windows: dict[str, Window | None] = {}
        self._rollups: dict[str, str] = {}

    def load(self, model: Model, now: float) -> None:
        """Puts a configuration in force. Queues keep their mail; counts survive unless the rules say that they do not."""
        self.model = model
        self._generation += 1
        self._rollups = {}
        self._set_rules(replace(self.rules, loaded_at=int(now)))

    def set_daily_window(self, kind: DailyWindow, utc_offset: int) -> None:
        """Counts days in another way from now on; `utc_offset` in seconds."""
        self._set_rules(replace(self.rules, kind=kind, utc_offset=utc_offset))

    def _set_rules(self, rules: WindowRules) -> None:
        self.rules = rules
        for queue in self.queues():
            queue.meter(rules)

    def queues(self) -> list[Queue]:
        return [queue for queues in self.by_vmta.values() for queue in queues.values()]

    def shown_queues(self) -> list[Queue]:
        """The queues that a command sees: those with mail, and paused ones."""
        return [queue for queue in self.queues() if queue.paused or len(queue)]

    def waiting(self) -> int:
        """Recipients in all queues."""
        return sum(map(len, self.queues()))

    def queue(self, domain: str, vmta: str) -> Queue:
        """The queue for a recipient domain, made when it is first needed; a roll-up stands for its domains."""
        name = self._rollups.get(domain)
        if name is None:
            mx = provider_of(domain).mx
            name = next((one.name for one in self.model.rollups if matches_pattern(one.pattern, mx)), domain)
            self._rollups[domain] = name
        queues = self.by_vmta.get(vmta)
        if queues is None:
            queues = self.by_vmta[vmta] = {}
        queue = queues.get(name)
        if queue is None:
            queue = queues[name] = Queue(name, vmta)
            queue.paused = self.pause_covers_new_queues and self.switches.paused(queue.name)
        return queue

    def effective(self, domain: str, vmta: str) -> dict[str, str]:
        """The <domain> settings in force for a queue."""
        own, pool = self.model.vmtas.get(vmta), self.model.pool_of(vmta)
        return self.model.domains.effective(domain, own.domains if own else (), pool.domains if pool else ())

    def prepare(self, queue: Queue, start: float, now: float) -> None:
        """Brings a queue up to date before it is worked on: arrivals, settings of the last load, end of backoff."""
        queue.spread_arrivals(start, now)
        if queue.generation != self._generation:
            settings = queue_settings(self.effective(queue.domain, queue.vmta))
            queue.adopt(settings, self.rules, self._generation)
        if queue.backoff_until is not None and queue.backoff_until <= now:
            queue.set_backoff(None, self.rules)

    def window(self, vmta: str) -> Window | None:
        """What meters the whole virtual MTA; the limit of its pool holds for each member that has none of its own."""
        own, pool = self.model.vmtas.get(vmta), self.model.pool_of(vmta)
        limit = (own.rate if own else None) or (pool.rate if pool else None)
        window = self._windows[vmta] = window_for(limit, self.rules, self._windows.get(vmta))
        return window

    def used_today(self, vmta: str, now: float) -> int:
        """Attempts that count against the VMTA's `max-smtp-msg-rate` now."""
        window = self.window(vmta)
        return window.used(now) if window else 0

    def sources(self, queue: Queue, primary: str, now: float) -> tuple[list[str], float]:
        """The local IPs that the queue may use, and from when on."""
        own = self.model.vmtas.get(queue.vmta)
        addresses = [source.address for source in own.sources] if own else []
        addresses = addresses or [primary]
        if not self.switches.disabled:
            return addresses, now
        free = {address: self.switches.free_from(address, queue.name, now) for address in addresses}
        opens = min(free.values())
        return [address for address in addresses if free[address] == opens], opens

    def delete(self, pattern: str) -> list[tuple[Queue, Mail]]:
        """Takes the mail out of the queues that `pattern` names."""
        return [
            (queue, mail) for queue in self.queues() if covers(pattern, queue.name) for mail in queue.clear()
        ]

    def knows(self, name: str) -> bool:
        """Is there a queue of this name that a command sees?"""
        return any(covers(name, queue.name) for queue in self.shown_queues())

    def pause(self, pattern: str) -> int:
        """Pauses the queues that `pattern` names; returns how many there are."""
        hit = [queue for queue in self.queues() if covers(pattern, queue.name)]
        for queue in hit:
            queue.paused = True
        if self.pause_covers_new_queues:
            self.switches.pause(pattern)
        return len(hit)

    def resume(self, pattern: str) -> int:
        hit = [queue for queue in self.queues() if queue.paused and covers(pattern, queue.name)]
        for queue in hit:
            queue.paused = False
        self.switches.resume(pattern)
        return len(hit)

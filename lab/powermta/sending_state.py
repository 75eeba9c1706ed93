"""What people and patterns switched off: paused queues and disabled source IPs."""

from dataclasses import dataclass, field

from lab.powermta.queue_names import covers


@dataclass(frozen=True, slots=True)
class DisabledSource:
    """A local IP that may not be used for the queues that `pattern` names, until `until` (unix seconds; inf: never again)."""

    address: str
    pattern: str
    since: float
    until: float = float("inf")


@dataclass(slots=True)
class Switches:
    """Pauses by pattern (for queues to come) and disabled sources."""

    pauses: list[str] = field(default_factory=list)
    disabled: list[DisabledSource] = field(default_factory=list)

    def pause(self, pattern: str) -> None:
        if pattern not in self.pauses:
            self.pauses.append(pattern)

    def resume(self, pattern: str) -> None:
        """Forgets every pause that `pattern` covers as a whole: `*/*` covers `*/vmta-1`."""
        self.pauses = [pause for pause in self.pauses if not covers(pattern, pause)]

    def paused(self, queue: str) -> bool:
        return any(covers(pattern, queue) for pattern in self.pauses)

    def disable(self, source: DisabledSource) -> None:
        self.enable(source.address, source.pattern)
        self.disabled.append(source)

    def enable(self, address: str, pattern: str) -> int:
        """Returns how many entries went."""
        kept = [one for one in self.disabled if one.address != address or not covers(pattern, one.pattern)]
        gone = len(self.disabled) - len(kept)
        self.disabled = kept
        return gone

    def forget_reenabled(self, now: float) -> None:
        if self.disabled:
            self.disabled = [one for one in self.disabled if one.until > now]

    def free_from(self, address: str, queue: str, now: float) -> float:
        """From when on the address may be used for the queue: `now`, a later moment, or never (inf)."""
        untils = [one.until for one in self.disabled if one.address == address and covers(one.pattern, queue)]
        return max([now, *untils])

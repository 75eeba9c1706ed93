"""Reading back what one deployment put on one host."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from email_engine.adapters.powermta import PowerMta
from email_engine.errors import NotVerified
from email_engine.pmta.config.expected_settings import bounded_queue, paced_queue, read_macros
from email_engine.pmta.config.inventory import VmtaBlock
from email_engine.pmta.config.layout import digest
from email_engine.pmta.config.rates import per_second

LOOKED_AT = 50
"""How many of the changed virtual MTAs are read back, evenly spread: each costs a command."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What shall stand on the host: `path` and `text`; `shown`: the virtual MTAs whose reading back proves it."""

    path: str
    text: str
    shown: tuple[VmtaBlock, ...] = ()

    @property
    def digest(self) -> str:
        return digest(self.text)


def verify(mta: PowerMta, intent: Intent) -> None:
    """The file on disk by digest; of the virtual MTAs source IP, host, cap, the rate to a provider that has one and to one that may not
    have all mail, by what PowerMTA shows of them. Raises NotVerified.

    No command dumps the running configuration; what `show` leaves out stays unproven."""
    standing = mta.read(intent.path)
    if standing is None or digest(standing) != intent.digest:
        raise NotVerified(
            mta.endpoint.subject,
            f"{intent.path} on disk is not what was deployed",
            f"digest {intent.digest[:12]}",
            "somebody else writes this file: find out who, then deploy again",
        )
    macros = read_macros(intent.text)
    for block in _spread(intent.shown):
        queues = [paced_queue(block, macros), bounded_queue(block, macros)]
        _verify_vmta(mta, block, dict(filter(None, queues)))


def _spread(blocks: tuple[VmtaBlock, ...]) -> tuple[VmtaBlock, ...]:
    stride = -(-len(blocks) // LOOKED_AT) or 1
    return blocks[::stride]


def _verify_vmta(mta: PowerMta, block: VmtaBlock, rates: Mapping[str, str | None]) -> None:
    shown = mta.vmta_settings(block.name)
    words = set(_words(shown))
    missing = [word for word in (block.address, block.hostname) if word and word not in words]
    missing += _differs(shown, "max-smtp-msg-rate", block.cap)
    _require_shown(mta, f"vmta-settings {block.name}", missing)
    for domain, rate in rates.items():
        queue = f"{domain}/{block.name}"
        _require_shown(mta, f"settings {queue}", _differs(mta.settings(queue), "max-msg-rate", rate))


def _differs(shown: Mapping[str, Any], name: str, wanted: str | None) -> list[str]:
    """What is not shown at all proves nothing and is let pass: releases differ in what they show."""
    seen = next((str(value) for key, value in shown.items() if key.lower() == name), None)
    if seen is None or wanted is None or seen == wanted or per_second(seen) == per_second(wanted) is not None:
        return []
    return [f"{name} {wanted} (it shows {seen})"]


def _require_shown(mta: PowerMta, command: str, missing: list[str]) -> None:
    if missing:
        raise NotVerified(
            mta.endpoint.subject,
            f"`pmta show {command}` does not show {', '.join(missing)}",
            "the settings that were deployed",
            "see whether the operator's own configuration says something else about it",
        )


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _words(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _words(inner)
    else:
        yield from str(value).replace(",", " ").split()

"""The truth about the receiving side: how mailbox providers answer each sending IP. Seeded, so a run repeats exactly."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from hashlib import blake2b

from lab.powermta.mailbox_providers import Provider, Reply, provider_of

ANY = "*"
_ONE = 1 << 32
_EVERYDAY_BLOCKS = 0.002
_EVERYDAY_DEFERRALS = 0.02
"""What a sender of good repute meets too; whatever goes beyond is aimed at the sender, and worded so."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What happens to mail, as ratios 0..1: the first three of attempts, the last three of delivered messages.

    Where the first three make more than 1 together, bounces come first and deferrals get what is left.
    """

    hard_bounce_rate: float = 0.004
    block_rate: float = 0.0005
    deferral_rate: float = 0.01
    complaint_rate: float = 0.0002
    remote_bounce_rate: float = 0.0001
    remote_status_rate: float = 0.0001

    def __post_init__(self) -> None:
        for item in fields(self):
            if not 0 <= getattr(self, item.name) <= 1:
                raise ValueError(f"{item.name} is {getattr(self, item.name)}, allowed 0..1")


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one attempt: the reply, and what follows a delivery ('f', 'rb', 'rs' or '') how many seconds later."""

    reply: Reply
    follow_up: str = ""
    delay: int = 0


@dataclass(frozen=True, slots=True)
class _Truth:
    hard: int
    block: int
    deferral: int
    listed: int
    throttled: int
    complaint: int
    remote_bounce: int
    remote_status: int
    delivered: Answer
    provider: Provider


class Recipients:
    """Answers for every recipient. `traffic` maps a provider (`gmail`), a domain or `*` to base rates."""

    def __init__(self, seed: int = 1, traffic: Mapping[str, Mapping[str, float]] | None = None) -> None:
        self._seed = str(seed)
        self._base = {name.lower(): dict(rates) for name, rates in (traffic or {}).items()}
        self._by_ip: dict[tuple[str, str], dict[str, float]] = {}
        self._truths: dict[tuple[str, str], _Truth] = {}
        self.unreachable: set[str] = set()
        for rates in self._base.values():
            _check(rates)

    def set_rates(self, ip: str, provider: str = "", **rates: float | None) -> Rates:
        """Changes the rates of one IP (`*`: all) towards one provider or domain ('': all). None leaves a rate as it is.

        Returns the rates that now hold. Raises ValueError for a rate outside 0..1 and TypeError for an unknown one.
        """
        key = (ip, provider.lower() or ANY)
        wanted = {
            **self._by_ip.get(key, {}),
            **{name: rate for name, rate in rates.items() if rate is not None},
        }
        _check(wanted)
        self._by_ip[key] = wanted
        self._truths.clear()
        return self.rates(ip, provider or ANY)

    def clear_rates(self, ip: str) -> None:
        """Forgets what was set for an IP."""
        self._by_ip = {key: rates for key, rates in self._by_ip.items() if key[0] != ip}
        self._truths.clear()

    def rates(self, ip: str, domain: str) -> Rates:
        """The rates that hold: the closest setting wins, IP before `*`, domain before provider before `*`."""
        wanted: dict[str, float] = {}
        names = dict.fromkeys((ANY, provider_of(domain).name, domain.lower()))
        for name in names:
            wanted |= self._base.get(name, {})
        for address in (ANY, ip):
            for name in names:
                wanted |= self._by_ip.get((address, name), {})
        return replace(Rates(), **wanted)

    def answer(self, ip: str, domain: str, message_id: str, rcpt: str, attempt: int) -> Answer:
        """The answer to attempt number `attempt` (from 0). The same arguments always give the same answer."""
        truth = self._truths.get((ip, domain)) or self._truth(ip, domain)
        key = f"{self._seed}|{ip}|{message_id}|{rcpt}|{attempt}"
        digest = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")
        roll, second = digest >> 32, digest & 0xFFFFFFFF
        if roll >= truth.deferral:
            return truth.delivered if second >= truth.remote_status else self._followed(truth, roll, second)
        provider = truth.provider
        if roll < truth.hard:
            choices = provider.hard
        elif roll < truth.block:
            choices = provider.listed if second < truth.listed else provider.block
        else:
            choices = provider.throttled if second < truth.throttled else provider.deferral
        return Answer(choices[second % len(choices)])

    def _followed(self, truth: _Truth, roll: int, second: int) -> Answer:
        """A delivery that has a sequel: a complaint, a bounce message or a status message, hours later."""
        kind = "f" if second < truth.complaint else "rb" if second < truth.remote_bounce else "rs"
        hours = 12 if kind == "f" else 1
        return Answer(truth.delivered.reply, kind, 300 + (roll ^ second) % (hours * 3600))

    def _truth(self, ip: str, domain: str) -> _Truth:
        rates, provider = self.rates(ip, domain), provider_of(domain)
        complaint = rates.complaint_rate if provider.feedback else 0.0
        steps = (
            complaint,
            complaint + rates.remote_bounce_rate,
            complaint + rates.remote_bounce_rate + rates.remote_status_rate,
        )
        truth = _Truth(
            hard=int(rates.hard_bounce_rate * _ONE),
            block=int((rates.hard_bounce_rate + rates.block_rate) * _ONE),
            deferral=int((rates.hard_bounce_rate + rates.block_rate + rates.deferral_rate) * _ONE),
            listed=_excess(rates.block_rate, _EVERYDAY_BLOCKS),
            throttled=_excess(rates.deferral_rate, _EVERYDAY_DEFERRALS),
            complaint=int(steps[0] * _ONE),
            remote_bounce=int(steps[1] * _ONE),
            remote_status=int(steps[2] * _ONE),
            delivered=Answer(provider.delivered),
            provider=provider,
        )
        self._truths[ip, domain] = truth
        return truth


def _check(rates: Mapping[str, float]) -> None:
    """Refuses rates outside 0..1, unknown ones, and given ones that cannot hold together."""
    Rates(**rates)
    together = sum(rates.get(name, 0) for name in ("hard_bounce_rate", "block_rate", "deferral_rate"))
    if together > 1:
        raise ValueError(f"hard_bounce_rate + block_rate + deferral_rate is {together}, allowed at most 1")


def _excess(rate: float, everyday: float) -> int:
    """The part of `rate` that goes beyond the everyday, as a threshold for 32 bits."""
    return int((1 - everyday / rate) * _ONE) if rate > everyday else 0

"""Virtual MTAs to sending IPs: one address, one host name, one sending domain, one cap each."""

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network

from email_engine.adoption.draft import Blank, Number, Sender, Text
from email_engine.adoption.gaps import Gaps, printable, tag_shown
from email_engine.adoption.leftovers import tell_leftovers
from email_engine.adoption.proxies import Proxies
from email_engine.adoption.reading import POOL, VMTA, Configuration, Found, Setting
from email_engine.fleet import names
from email_engine.fleet.entries import HIGHEST_TARGET
from email_engine.fleet.model import IpAddress, IpState
from email_engine.fleet.ranges import parse_address, parse_bind_address


@dataclass(frozen=True, slots=True)
class _SourceHost:
    """As `Sender` has them."""

    address: IpAddress | Blank
    bind_address: IpAddress | None
    hostname: str


class SenderReader:
    """Reads virtual MTAs in the order of the file; remembers what may stand only once in a fleet."""

    def __init__(
        self, configuration: Configuration, gaps: Gaps, head_room_percent: int, in_pools: Container[str] = ()
    ) -> None:
        self._configuration = configuration
        self._gaps = gaps
        self._head_room = head_room_percent
        self._vmtas = configuration.blocks[VMTA]
        self._pools = configuration.blocks[POOL]
        self._proxies = Proxies(configuration, gaps)
        direct = (vmta for vmta in self._vmtas.values() if not self._proxies.of(vmta))
        self._owners = _owners(direct, in_pools)
        self._taken: set[IpAddress] = set()
        self._lower = Counter(name.lower() for name in (*self._vmtas, *self._pools))
        self.limits: Counter[str] = Counter()
        """How many virtual MTAs say what the policy is to decide from now on."""

    def read(self, vmta: Found, pool: Found | None, state: IpState | Blank) -> list[Sender]:
        """The IPs of one virtual MTA, none if it cannot be taken over; says why."""
        tell_leftovers(vmta, self._vmtas, gaps=self._gaps, limits=self.limits)
        hosts = [] if self._proxies.refuse(vmta) else list(self._source_hosts(vmta))
        if not hosts:
            for key in vmta.all("domain-key"):
                why = "its virtual MTA is not in the draft"
                self._gaps.add(
                    key.place, f"{vmta.name}: domain-key {key.value}", why, "as for the virtual MTA"
                )
            return []
        name = self._name(vmta)
        selector, domain, path = self._key(vmta, pool)
        target, remark, cap = self._target(vmta)
        if len(hosts) == 1:
            return [
                Sender(
                    hosts[0].address,
                    name,
                    self._hostname(vmta, hosts[0].hostname),
                    domain,
                    selector,
                    path,
                    target,
                    state,
                    remark,
                    hosts[0].bind_address,
                    cap,
                    known_as=vmta.name,
                )
            ]
        said = f"sends from {len(hosts)} IPs in turn; in the fleet one IP is one virtual MTA"
        todo = "name a virtual MTA for each further IP, give each its own sending domain, key and delivery server"
        self._gaps.add(vmta.place, tag_shown(VMTA, vmta.name), said, todo)
        senders = []
        for index, host in enumerate(hosts, 1):
            hint = f"a new virtual MTA: IP {index} of {len(hosts)} of {printable(vmta.name)}"
            senders.append(
                Sender(
                    address=host.address,
                    bind_address=host.bind_address,
                    vmta=name if index == 1 else Blank(hint),
                    hostname=self._hostname(vmta, host.hostname),
                    domain=Blank("a sending domain of its own") if isinstance(domain, str) else domain,
                    selector=selector,
                    key_path=path,
                    target=Blank(f"its share of what {printable(vmta.name)} sends a day"),
                    state=state,
                    remark=remark,
                    known_as=vmta.name,
                )
            )
        return senders

    def _name(self, vmta: Found) -> Text:
        text, lower = tag_shown(VMTA, vmta.name), vmta.name.lower()
        if vmta.name in self._pools:
            why = "is the name of a pool too; PowerMTA has one name space for both"
            self._gaps.add(vmta.place, text, why, "rename one of them")
            return Blank(f"a name that no pool has, for {printable(vmta.name)}")
        allowed = names.name(vmta.name)
        if allowed is None and self._lower[lower] == 1:
            return vmta.name
        if allowed is None:
            why, todo = "differs from another name in upper and lower case alone", "rename one of them"
        else:
            why, todo = (
                f"the engine takes no such name; allowed: {allowed}",
                "rename it here and in MailWizz's header",
            )
        self._gaps.add(vmta.place, text, why, todo)
        fits = names.name(lower) is None and self._lower[lower] == 1
        return Blank(f"the new name of {printable(vmta.name)}" + (f", such as {lower}" if fits else ""))

    def _source_hosts(self, vmta: Found) -> Iterator[_SourceHost]:
        text = tag_shown(VMTA, vmta.name)
        given = vmta.all("smtp-source-host")
        if not given:
            why = (
                "has no smtp-source-host that can be read: it sends from the host's own addresses, if at all"
            )
            self._gaps.add(vmta.place, text, why, "give it `smtp-source-host IP HOST` and import again")
        for setting in given:
            where, _, hostname = setting.value.partition(" ")
            todo = "write each address as a virtual MTA of its own and import again"
            if "/" in where and (count := ip_network(where).num_addresses) > 1:
                why = f"{count} addresses take turns; in the fleet one IP is one virtual MTA"
                self._gaps.add(setting.place, f"{vmta.name}: {where}", why, todo)
                continue
            try:
                address = parse_bind_address(where.partition("/")[0])
            except ValueError as error:
                todo = "write the address from which its mail leaves the host, and import again"
                self._gaps.add(setting.place, f"{vmta.name}: {where}", str(error), todo)
                continue
            owner = self._owners[address]
            if address in self._taken and owner == vmta.name:
                why, todo = "stands twice in its virtual MTA", "remove one of the lines"
                self._gaps.alike(setting.place, f"{vmta.name}: {where}", why, todo)
                continue
            if owner != vmta.name:
                why = f"the same IP as in {printable(owner)}, which has it in the draft"
                todo = "keep one virtual MTA for the IP; point the other's delivery server and pools to it"
                self._gaps.add(setting.place, f"{vmta.name}: {where}", why, todo)
                continue
            self._taken.add(address)
            yield _seen_as(address, hostname)

    def _hostname(self, vmta: Found, hostname: str) -> Text:
        allowed = names.hostname(hostname)
        other = [s for s in vmta.all("host-name") if s.value != hostname]
        for setting in other:
            why = f"differs from {printable(hostname)}, its source host; the engine writes no host-name"
            todo = "if mail is taken in for it, put `relay-domain` into your own configuration"
            self._gaps.add(setting.place, f"{vmta.name}: host-name {setting.value}", why, todo)
        if allowed is None:
            return hostname
        self._gaps.add(
            vmta.place, f"{vmta.name}: {hostname}", f"no name for PTR and HELO; allowed: {allowed}", "name it"
        )
        return Blank(f"PTR and HELO instead of {printable(hostname)}")

    def _key(self, vmta: Found, pool: Found | None) -> tuple[Text, Text, Text]:
        """Selector, domain, path: of the virtual MTA, else its pool, else all."""
        keys = vmta.all("domain-key")
        origin = ""
        for outer, said in ((pool, "its pool's"), (self._configuration, "the global")):
            if not keys and outer is not None:
                keys = [s for s in outer.settings if s.name == "domain-key" and s.right]
                origin = f"{said} domain-key" if keys else ""
        if not keys:
            return (
                Blank("its DKIM selector; it signs nothing today"),
                Blank("its sending domain"),
                Blank("its private DKIM key"),
            )
        named = [key for key in keys if key.value.split(",")[1] != "*"]
        chosen = (named or keys)[0]
        if not origin:
            self._other_keys(vmta, keys, chosen)
        selector, domain, path = chosen.value.split(",")
        return (
            self._good(vmta, chosen, selector, names.selector(selector), "DKIM selector"),
            self._domain(vmta, chosen, domain, origin),
            self._good(vmta, chosen, path, names.file_path(path), "path of the private DKIM key"),
        )

    def _other_keys(self, vmta: Found, keys: list[Setting], chosen: Setting) -> None:
        for key in keys:
            if key is not chosen:
                why = "the fleet has one sending domain for an IP, and the draft has another key of this virtual MTA"
                todo = "send this domain from an IP of its own, or give it that IP instead"
                self._gaps.add(key.place, f"{vmta.name}: domain-key {key.value}", why, todo)

    def _domain(self, vmta: Found, key: Setting, domain: str, origin: str) -> Text:
        if domain in ("*", "{domain}"):
            return Blank("its sending domain; it signs for whatever domain stands in From today")
        if "$" in domain:
            return Blank(f"its sending domain; it signs for {printable(domain)} today, a macro")
        if origin:
            return Blank(f"its sending domain; it signs by {origin} for {printable(domain)} today")
        return self._good(vmta, key, domain, names.hostname(domain), "sending domain")

    def _good(self, vmta: Found, key: Setting, value: str, allowed: str | None, what: str) -> Text:
        if value == "{selector}":
            return Blank(f"{what}; whatever selector a message has stands for it today")
        if allowed is None:
            return value
        todo = f"give it another {what} in the fleet file"
        self._gaps.add(
            key.place, f"{vmta.name}: {value}", f"the engine takes no such {what}; allowed: {allowed}", todo
        )
        return Blank(f"{what} instead of {printable(value)}")

    def _target(self, vmta: Found) -> tuple[Number, str, int | None]:
        """Messages a day so that the engine's cap is never above the present one, what that is, and how much a day it lets out."""
        rate = vmta.last("max-smtp-msg-rate")
        if rate in (None, "0", "unlimited"):
            return Blank("messages a UTC day of one IP, fully warmed; it has no cap today"), "", None
        found = re.fullmatch(r"(\d+)/(\d*)([dhms])", rate or "")
        if not found:
            return Blank(f"messages a UTC day; {printable(str(rate))} today"), "", None
        count, every, unit = int(found[1]), int(found[2] or 1), found[3]
        a_day = count * {"d": 1, "h": 24, "m": 1_440, "s": 86_400}[unit] // every
        if unit != "d":
            return Blank(f"messages a UTC day; today {rate}, at most {a_day} a day"), "", a_day
        target = count * 100 // self._head_room // every
        if not 1 <= target <= HIGHEST_TARGET:
            hint = f"messages a UTC day, fully warmed; today its cap is {rate}: does it stand still?"
            return Blank(hint), "", a_day
        return target, f"cap {rate} today", a_day


def _seen_as(address: IpAddress, hostname: str) -> _SourceHost:
    try:
        return _SourceHost(parse_address(str(address)), None, hostname)
    except ValueError:
        hint = f"the public address that receivers see for {address}, which no PowerMTA configuration knows (NAT, Elastic IP)"
        return _SourceHost(Blank(hint), address, hostname)


def _owners(vmtas: Iterable[Found], in_pools: Container[str]) -> dict[IpAddress, str]:
    """The virtual MTA of each address: of several the one in a pool, then one with a key, then the first."""
    found: dict[IpAddress, tuple[bool, bool, str]] = {}
    for vmta in vmtas:
        rank = (vmta.name not in in_pools, not vmta.all("domain-key"), vmta.name)
        for setting in vmta.all("smtp-source-host"):
            with suppress(ValueError):
                address = parse_bind_address(setting.value.partition(" ")[0].partition("/")[0])
                if address not in found or rank[:2] < found[address][:2]:
                    found[address] = rank
    return {address: name for address, (_, _, name) in found.items()}

"""The DNS world as a part of the lab: from its configuration to a running server, with knobs."""

import typing
from dataclasses import asdict
from ipaddress import ip_address
from typing import Any, Literal

import dns.exception
import dns.name
import dns.rdatatype
import dns.zonefile

from lab.clock import Clock
from lab.dns.authority import Authority, is_record_of
from lab.dns.lists import SERVING, Address, BlockList, ListKind, address_of, reversed_address
from lab.dns.records import How, Records, SendingDomain, Which, dkim_txt, render_records
from lab.dns.server import Manners, Responder, Server
from lab.knobs import Knob
from lab.ports import LOOPBACK
from lab.world import DnsConfig

RecordType = Literal["A", "AAAA", "CNAME", "MX", "NS", "PTR", "TXT"]


class DnsWorld:
    """Sending domains, reverse zones and block lists on one port."""

    def __init__(self, config: DnsConfig, clock: Clock) -> None:
        self._clock = clock
        keys = {file: dkim_txt(file) for file in {domain.dkim_public_key_file for domain in config.domains}}
        self._domains = {
            domain.domain: SendingDomain(
                domain.domain, domain.ip, domain.hostname, domain.selector, keys[domain.dkim_public_key_file]
            )
            for domain in config.domains
        }
        self._lists: dict[str, BlockList] = {}
        for wanted in config.lists:
            codes = tuple(str(code) for code in wanted.test_codes)
            block_list = BlockList(wanted.zone, wanted.kind, wanted.reason, codes)
            for ip, listed in wanted.listed.items():
                block_list.put(ip, tuple(str(code) for code in listed), clock.now())
            self._lists[wanted.zone] = block_list
        self._extra: Records = {(_bare(record.name), record.type): record.values for record in config.records}
        for (name, kind), values in self._extra.items():
            _check_record(name, kind, list(values) if not isinstance(values, How) else [])
        self._broken: dict[tuple[str, Which], How] = {}
        self._manners = Manners()
        self._authority = Authority(self._records(), self._lists)
        self._responder = Responder(self._authority, self._manners)
        self._server = Server(self._responder, self._manners)

    async def start(self, port: int, host: str = LOOPBACK) -> int:
        """Listens on UDP and TCP; gives the port."""
        return await self._server.start(host, port)

    async def stop(self) -> None:
        await self._server.stop()

    def state(self) -> dict[str, Any]:
        """Plain JSON: the lists with what is on them, what is broken, how many questions each zone got."""
        return {
            "domains": len(self._domains),
            "lists": {
                zone: {
                    "kind": block_list.kind.value,
                    "listed": {
                        address_of(name): {
                            "codes": list(listing.codes),
                            "reason": listing.reason,
                            "since": listing.since.isoformat(),
                        }
                        for name, listing in block_list.listings.items()
                    },
                }
                for zone, block_list in self._lists.items()
            },
            "broken": [
                {"domain": domain, "which": which.value, "how": how.value}
                for (domain, which), how in sorted(self._broken.items())
            ],
            "questions": dict(self._manners.seen),
            "manners": {key: value for key, value in asdict(self._manners).items() if key != "seen"},
        }

    def knobs(self) -> dict[str, Knob]:
        return {
            "list_ip": self.list_ip,
            "delist_ip": self.delist_ip,
            "set_list_kind": self.set_list_kind,
            "break_record": self.break_record,
            "mend_record": self.mend_record,
            "set_record": self.set_record,
            "publish_zone": self.publish_zone,
            "silence_dns": self.silence_dns,
            "delay_dns": self.delay_dns,
            "lose_dns": self.lose_dns,
            "truncate_dns": self.truncate_dns,
        }

    def list_ip(
        self, ip: str, zone: str | None = None, codes: list[str] | None = None, reason: str | None = None
    ) -> str:
        """Puts an address on a block list (the first one that serves listings, if no zone is named; code 127.0.0.2)."""
        address, chosen = _address(ip), self._list(zone or self._first_serving())
        answers = tuple(str(_address(code)) for code in codes or ["127.0.0.2"])
        chosen.put(address, answers, self._clock.now(), reason)
        self._changed()
        remark = "" if chosen.kind in SERVING else f"; but the list is {chosen.kind} and does not show it"
        return f"{address} is on {chosen.zone} with {', '.join(answers)}{remark}"

    def delist_ip(self, ip: str, zone: str | None = None) -> str:
        """Takes an address off a block list (off all of them, if no zone is named)."""
        address = _address(ip)
        chosen = [self._list(zone)] if zone else list(self._lists.values())
        left = [each.zone for each in chosen if each.listings.pop(reversed_address(address), None)]
        if not left:
            raise ValueError(f"{address} is not listed on {zone or 'any list'}")
        self._changed()
        return f"{address} is off {', '.join(left)}"

    def set_list_kind(self, zone: str, kind: ListKind) -> str:
        """Makes a block list healthy, or sick in one of the known ways. Its listings are kept."""
        self._list(zone).kind = kind
        self._changed()
        return f"{zone} is {kind}"

    def break_record(self, domain: str, which: Which, how: How = How.MISSING) -> str:
        """Breaks a record of a sending domain (named by domain, hostname or IP). helo is the hostname's address."""
        subject = self._domain(domain)
        self._broken[subject.domain, which] = how
        self._reload()
        return f"{which} of {subject.domain} ({subject.ip}): {how}"

    def mend_record(self, domain: str, which: Which | None = None) -> str:
        """Mends a broken record (all of the domain's, if none is named)."""
        subject = self._domain(domain)
        broken = [key for key in self._broken if key[0] == subject.domain and which in (None, key[1])]
        for key in broken:
            del self._broken[key]
        self._reload()
        return (
            f"{subject.domain}: mended {', '.join(key[1] for key in broken) or 'nothing, nothing was broken'}"
        )

    def set_record(self, name: str, type: RecordType, values: list[str]) -> str:
        """Sets any other record set, beside or instead of what the lab makes; no values: removes what was set."""
        _check_record(name, type, values)
        if values:
            self._extra[_bare(name), type] = tuple(values)
        elif not self._extra.pop((_bare(name), type), None):
            raise ValueError(f"no {type} record was set at {name}")
        self._reload()
        return f"{name} {type}: {', '.join(values) or 'as the lab makes it'}"

    def publish_zone(self, text: str) -> str:
        """Takes records in master-file form (name, TTL, type, value), as a DNS provider's paste field does; each set replaces what stood there."""
        sets = _pasted(text)
        for (name, kind), values in sets.items():
            _check_record(name, kind, list(values))
        self._extra |= sets
        self._reload()
        return f"{len(sets)} record sets published"

    def silence_dns(self, on: bool = True) -> str:
        """The whole DNS world stops answering (on=false: answers again)."""
        self._manners.silent = on
        return "DNS is silent" if on else "DNS answers"

    def delay_dns(self, seconds: float = 0.0) -> str:
        """Every answer comes that much later."""
        if not 0 <= seconds <= 60:
            raise ValueError(f"seconds must be 0 to 60, is {seconds}")
        self._manners.delay = seconds
        return f"answers come {seconds} s late"

    def lose_dns(self, rate: float = 0.0) -> str:
        """That share (0..1) of the questions over UDP is lost."""
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be 0 to 1, is {rate}")
        self._manners.loss_rate = rate
        return f"{rate:.0%} of the questions are lost"

    def truncate_dns(self, on: bool = True) -> str:
        """Every answer over UDP is truncated, so that the asker must come back over TCP."""
        self._manners.truncate = on
        self._changed()
        return "UDP answers are truncated" if on else "UDP answers are whole"

    def _records(self) -> Records:
        return render_records(self._domains.values(), self._broken) | self._extra

    def _reload(self) -> None:
        self._authority.load(self._records())
        self._changed()

    def _changed(self) -> None:
        self._responder.forget()

    def _first_serving(self) -> str:
        serving = [zone for zone, block_list in self._lists.items() if block_list.kind in SERVING]
        if not serving:
            raise ValueError(
                "no block list of the lab shows listings now; name a zone or set_list_kind one healthy"
            )
        return serving[0]

    def _list(self, zone: str) -> BlockList:
        if zone not in self._lists:
            raise ValueError(f"no block list {zone}; there are: {', '.join(self._lists) or 'none'}")
        return self._lists[zone]

    def _domain(self, subject: str) -> SendingDomain:
        for domain in self._domains.values():
            if _bare(subject) in (domain.domain, domain.hostname, str(domain.ip)):
                return domain
        some = ", ".join(list(self._domains)[:5]) or "none"
        raise ValueError(
            f"no sending domain, hostname or IP {subject}; {len(self._domains)} domains, such as: {some}"
        )


def _address(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None


def _bare(name: str) -> str:
    return name.lower().rstrip(".")


def _pasted(text: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """Owner and type to values as `set_record` takes them."""
    text = "\n".join(line for line in text.splitlines() if not line.startswith("$TTL "))
    try:
        read = dns.zonefile.read_rrsets(
            text, rdclass=None, default_ttl=300, origin=dns.name.root, relativize=False
        )
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"no master file: {error}") from None
    known = typing.get_args(RecordType)
    sets: dict[tuple[str, str], tuple[str, ...]] = {}
    for rrset in read:
        kind = dns.rdatatype.to_text(rrset.rdtype)
        if kind not in known:
            raise ValueError(f"{rrset.name}: type {kind}; known: {', '.join(known)}")
        values = (b"".join(rdata.strings).decode() if kind == "TXT" else rdata.to_text() for rdata in rrset)
        sets[_bare(rrset.name.to_text()), kind] = tuple(values)
    return sets


def _check_record(name: str, kind: str, values: list[str]) -> None:
    for value in values:
        if not is_record_of(kind, value):
            raise ValueError(
                f"{name}: {value!r} is no {kind} record (presentation form; names end with a dot)"
            )

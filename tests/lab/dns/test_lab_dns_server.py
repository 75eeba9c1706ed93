"""The DNS world on real sockets, asked by dnspython's own resolver code."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import dns.asyncquery
import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import pytest

from lab.clock import Clock
from lab.dns.lists import ListKind
from lab.dns.records import How, Which
from lab.dns.world import DnsWorld
from lab.testing import example_world
from lab.world import DnsConfig, parse_world

LISTED = "1.100.51.198"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> DnsConfig:
    raw = example_world(tmp_path_factory.mktemp("world"), ips_per_host=3)
    raw["dns"]["records"] = [
        {"name": "aurora.example", "type": "TXT", "values": ["v=spf1 -all"]},
        {"name": "many.example", "type": "TXT", "values": [f"line {n} " + "x" * 200 for n in range(10)]},
    ]
    dns_config = parse_world(raw).dns
    assert dns_config is not None
    return dns_config


@asynccontextmanager
async def started(config: DnsConfig) -> AsyncIterator[tuple[DnsWorld, int]]:
    world = DnsWorld(config, Clock(datetime(2026, 11, 1, tzinfo=UTC)))
    port = await world.start(0)
    try:
        yield world, port
    finally:
        await world.stop()


def resolver(port: int, **settings: object) -> dns.asyncresolver.Resolver:
    made = dns.asyncresolver.Resolver(configure=False)
    made.nameservers, made.port = ["127.0.0.1"], port
    made.lifetime, made.timeout, made.cache = 10.0, 1.5, None
    for key, value in settings.items():
        setattr(made, key, value)
    return made


async def codes(port: int, zone: str, name: str = LISTED) -> set[str]:
    try:
        answer = await resolver(port).resolve(f"{name}.{zone}.", "A")
    except dns.resolver.NXDOMAIN:
        return set()
    return {rdata.address for rdata in answer}


def run(config: DnsConfig, scene: Callable[[DnsWorld, int], Awaitable[None]]) -> None:
    async def play() -> None:
        async with started(config) as (world, port):
            await scene(world, port)

    asyncio.run(play())


def test_a_listing_comes_and_goes(config: DnsConfig) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        assert await codes(port, "zen.lab.example") == set()
        world.list_ip("198.51.100.1", codes=["127.0.0.2", "127.0.0.9"], reason="SBL1")
        assert await codes(port, "zen.lab.example") == {"127.0.0.2", "127.0.0.9"}
        assert await codes(port, "bl.lab.example") == set()
        text = await resolver(port).resolve(f"{LISTED}.zen.lab.example.", "TXT")
        assert text[0].strings == (b"SBL1",)
        assert world.state()["lists"]["zen.lab.example"]["listed"]["198.51.100.1"]["since"].startswith(
            "2026-11-01"
        )
        world.delist_ip("198.51.100.1")
        assert await codes(port, "zen.lab.example") == set()

    run(config, scene)


def test_a_list_changes_its_health_at_once(config: DnsConfig) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        assert await codes(port, "bl.lab.example") == set()
        world.set_list_kind("bl.lab.example", ListKind.BLOCKED)
        assert await codes(port, "bl.lab.example") == {"127.255.255.254"}
        world.set_list_kind("bl.lab.example", ListKind.SERVFAIL)
        with pytest.raises(dns.resolver.NoNameservers):
            await codes(port, "bl.lab.example")

    run(config, scene)


def test_a_record_breaks_and_mends(config: DnsConfig) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        async def spf() -> set[str]:
            try:
                answer = await resolver(port).resolve("news1.aurora-mail.example.", "TXT")
            except dns.resolver.NoAnswer:
                return set()
            return {b"".join(rdata.strings).decode() for rdata in answer}

        sound = await spf()
        world.break_record("198.51.100.1", Which.SPF, How.DUPLICATE)
        assert sound < await spf()
        world.break_record("mail1.aurora-mail.example", Which.SPF)
        assert await spf() == set()
        assert world.state()["broken"] == [
            {"domain": "news1.aurora-mail.example", "which": "spf", "how": "missing"}
        ]
        world.mend_record("news1.aurora-mail.example")
        assert await spf() == sound

    run(config, scene)


def test_silence_ends_in_a_timeout(config: DnsConfig) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        world.silence_dns()
        for transport in (dns.asyncquery.udp, dns.asyncquery.tcp):
            with pytest.raises(dns.exception.Timeout):
                await transport(
                    dns.message.make_query("aurora.example", "TXT"), "127.0.0.1", port=port, timeout=0.2
                )
        world.silence_dns(on=False)
        assert await resolver(port).resolve("aurora.example.", "TXT")

    run(config, scene)


def test_answers_can_be_late(config: DnsConfig) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        world.delay_dns(0.2)
        before = asyncio.get_running_loop().time()
        await resolver(port).resolve("aurora.example.", "TXT")
        assert asyncio.get_running_loop().time() - before >= 0.2

    run(config, scene)


def test_lost_questions_are_never_answered(config: DnsConfig) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        world.lose_dns(1.0)
        with pytest.raises(dns.resolver.LifetimeTimeout):
            await resolver(port, lifetime=0.3, timeout=0.1).resolve("aurora.example.", "TXT")

    run(config, scene)


def test_big_answers_are_truncated_over_udp_and_whole_over_tcp(config: DnsConfig) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        query = dns.message.make_query("many.example", "TXT", use_edns=False)
        reply = await dns.asyncquery.udp(query, "127.0.0.1", port=port, timeout=5)
        assert reply.flags & dns.flags.TC
        assert len(await resolver(port).resolve("many.example.", "TXT")) == 10

    run(config, scene)


def test_edns_lets_more_through_udp(config: DnsConfig) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        for payload, truncated in ((512, True), (4096, False)):
            query = dns.message.make_query("many.example", "TXT", use_edns=0, payload=payload)
            reply = await dns.asyncquery.udp(query, "127.0.0.1", port=port, timeout=5)
            assert bool(reply.flags & dns.flags.TC) is truncated

    run(config, scene)


def test_truncation_of_everything_is_a_knob(config: DnsConfig) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        world.truncate_dns()
        query = dns.message.make_query("aurora.example", "TXT")
        reply = await dns.asyncquery.udp(query, "127.0.0.1", port=port, timeout=5)
        assert reply.flags & dns.flags.TC
        assert await resolver(port).resolve("aurora.example.", "TXT")

    run(config, scene)


def test_several_questions_share_one_tcp_connection(config: DnsConfig) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for name in ("aurora.example", "many.example"):
            query = dns.message.make_query(name, "TXT")
            writer.write(query.to_wire(prepend_length=True))
            length = int.from_bytes(await reader.readexactly(2), "big")
            assert query.is_response(dns.message.from_wire(await reader.readexactly(length)))
        writer.close()

    run(config, scene)


@pytest.mark.parametrize(
    "octets", [b"", b"short", bytes(12), b"\x12\x34\x01\x00" + b"\x00\x01" + bytes(6) + b"\xff\xff"]
)
def test_garbage_does_no_harm(config: DnsConfig, octets: bytes) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(octets, ("127.0.0.1", port))
        assert await resolver(port).resolve("aurora.example.", "TXT")

    run(config, scene)


def test_replies_are_not_answered(config: DnsConfig) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        reply = dns.message.make_response(dns.message.make_query("aurora.example", "TXT"))
        with pytest.raises(dns.exception.Timeout):
            await dns.asyncquery.udp(reply, "127.0.0.1", port=port, timeout=0.2)

    run(config, scene)


def test_a_taken_port_is_an_error(config: DnsConfig) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        with pytest.raises(OSError, match="in use"):
            await DnsWorld(config, Clock()).start(port)

    run(config, scene)


def test_questions_are_counted_by_zone(config: DnsConfig) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        for _ in range(3):
            await codes(port, "zen.lab.example")
        assert world.state()["questions"] == {"zen.lab.example": 3}

    run(config, scene)


def test_a_sweep_of_a_thousand_names_is_answered_whole(config: DnsConfig) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        for last in range(0, 250, 10):
            world.list_ip(f"198.51.100.{last}", "zen.lab.example")
        gate = asyncio.Semaphore(50)

        async def one(third: int, last: int) -> bool:
            async with gate:
                return bool(await codes(port, "zen.lab.example", f"{last}.{third}.51.198"))

        found = await asyncio.gather(*(one(third, last) for third in range(98, 102) for last in range(250)))
        assert sum(found) == 25

    run(config, scene)


@pytest.mark.parametrize(
    ("turn", "told"),
    [
        (lambda world: world.list_ip("not an ip"), "'not an ip' is not an IP address"),
        (
            lambda world: world.list_ip("198.51.100.1", "no.example"),
            "no block list no.example; there are: zen.lab.example",
        ),
        (lambda world: world.delist_ip("198.51.100.1"), "198.51.100.1 is not listed on any list"),
        (
            lambda world: world.break_record("nobody.example", Which.SPF),
            "no sending domain, hostname or IP nobody.example",
        ),
        (lambda world: world.delay_dns(-1), "seconds must be 0 to 60"),
        (lambda world: world.lose_dns(1.5), "rate must be 0 to 1"),
        (lambda world: world.set_record("x.example", "A", ["nine"]), "'nine' is no A record"),
        (lambda world: world.set_record("x.example", "A", []), "no A record was set at x.example"),
    ],
)
def test_a_knob_that_cannot_turn_says_what_is_wrong(
    config: DnsConfig, turn: Callable[[DnsWorld], str], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        turn(DnsWorld(config, Clock()))


def test_listing_on_a_sick_list_is_told_to_be_invisible(config: DnsConfig) -> None:
    world = DnsWorld(config, Clock())
    assert "does not show it" in world.list_ip("198.51.100.1", "dead.lab.example")


def test_any_record_can_be_set_and_taken_back(config: DnsConfig) -> None:
    async def scene(world: DnsWorld, port: int) -> None:
        name = "s1._domainkey.news1.aurora-mail.example"
        made = (await resolver(port).resolve(f"{name}.", "TXT")).rrset
        world.set_record(name, "TXT", ["v=DKIM1; k=rsa; p="])
        revoked = await resolver(port).resolve(f"{name}.", "TXT")
        assert revoked[0].strings == (b"v=DKIM1; k=rsa; p=",)
        world.set_record(name, "TXT", [])
        assert (await resolver(port).resolve(f"{name}.", "TXT")).rrset == made

    run(config, scene)


def test_listings_of_the_configuration_are_there_from_the_start(tmp_path: Path) -> None:
    raw = example_world(tmp_path)
    raw["dns"]["lists"][0]["listed"] = {"198.51.100.9": ["127.0.0.2"], "2001:db8::9": ["127.0.0.3"]}
    config = parse_world(raw).dns
    assert config is not None
    listed = DnsWorld(config, Clock()).state()["lists"]["zen.lab.example"]["listed"]
    assert {ip: entry["codes"] for ip, entry in listed.items()} == {
        str(ip_address("198.51.100.9")): ["127.0.0.2"],
        "2001:db8::9": ["127.0.0.3"],
    }

"""`make bench`: 10,000 IPs at 9 block lists of a real rbldnsd on loopback: our resolver beside aiodns (c-ares) and dnspython's own.

Every turn runs in a process of its own, so that its memory is its own; wall seconds, the best of three, on a machine that the server
shares. A hundredth of the questions is listed, and each turn counts what it found."""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from ipaddress import ip_address
from pathlib import Path

import aiodns
import dns.asyncresolver
import dns.nameserver
import dns.resolver

from email_engine.adapters.dns_resolver import Resolver
from email_engine.dns_answers import Found, NotFound, Question
from tests.rbldnsd import serving

IPS, ZONES, TURNS = 10_000, 9, 3
IN_FLIGHT = 100
FIRST = ip_address("192.168.0.0")
LISTED_OF = 100
MOST_MEBIBYTES = 160


def names() -> list[str]:
    """Every list about every IP, as a sweep asks."""
    reversed_ips = [(FIRST + n).reverse_pointer.removesuffix(".in-addr.arpa") for n in range(IPS)]
    return [f"{ip}.bl{zone}.example" for ip in reversed_ips for zone in range(ZONES)]


def ours(port: int) -> tuple[int, int]:
    """(listed, without an answer)."""
    resolver = Resolver([("127.0.0.1", port)], in_flight=IN_FLIGHT)
    answers = resolver.resolve_many(Question(name) for name in names()).values()
    listed = sum(isinstance(answer, Found) for answer in answers)
    return listed, sum(not isinstance(answer, Found | NotFound) for answer in answers)


def with_aiodns(port: int) -> tuple[int, int]:
    async def run() -> tuple[int, int]:
        asker = aiodns.DNSResolver(
            nameservers=["127.0.0.1"], udp_port=port, tcp_port=port, timeout=2, tries=3
        )
        waiting, counts = iter(names()), [0, 0]

        async def work() -> None:
            for name in waiting:
                try:
                    await asker.query_dns(name, "A")
                    counts[0] += 1
                except aiodns.error.DNSError as error:
                    absent = error.args[0] in (aiodns.error.ARES_ENOTFOUND, aiodns.error.ARES_ENODATA)
                    counts[1] += not absent

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        await asker.close()
        return counts[0], counts[1]

    return asyncio.run(run())


def with_dnspython(port: int) -> tuple[int, int]:
    """A fifth of the questions, since it takes so long."""

    async def run() -> tuple[int, int]:
        asker = dns.asyncresolver.Resolver(configure=False)
        asker.nameservers = [dns.nameserver.Do53Nameserver("127.0.0.1", port)]
        asker.timeout, asker.lifetime, asker.cache = 2.0, 8.0, None
        waiting, counts = iter(names()[: IPS * ZONES // 5]), [0, 0]

        async def work() -> None:
            for name in waiting:
                try:
                    await asker.resolve(name + ".", "A", search=False)
                    counts[0] += 1
                except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                    pass
                except dns.exception.DNSException:
                    counts[1] += 1

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        return counts[0], counts[1]

    return asyncio.run(run())


WAYS = {"ours": ours, "aiodns": with_aiodns, "dnspython": with_dnspython}


def turn(way: str, port: int) -> dict[str, float]:
    """One turn, in this process."""
    start = time.perf_counter()
    listed, missing = WAYS[way](port)
    taken = time.perf_counter() - start
    count = IPS * ZONES // (5 if way == "dnspython" else 1)
    mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "a_second": count / taken,
        "listed": listed,
        "missing": missing,
        "mebibytes": mebibytes,
        "of": count,
    }


def main() -> None:
    print(f"\n{IPS:,} IPs at {ZONES} block lists, rbldnsd on loopback, {IN_FLIGHT} questions under way.\n")
    print(f"{'':11}{'questions/s':>12}{'listed':>16}{'no answer':>11}{'memory':>10}")
    best: dict[str, dict[str, float]] = {}
    listed = [str(FIRST + n) for n in range(0, IPS, LISTED_OF)]
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder) / "zones", {f"bl{n}.example": listed for n in range(ZONES)}) as port,
    ):
        for way in WAYS:
            turns = [_in_a_process(way, port) for _ in range(TURNS)]
            one = best[way] = max(turns, key=lambda found: found["a_second"])
            right = one["of"] / LISTED_OF
            print(
                f"{way:11}{one['a_second']:>12,.0f}{one['listed']:>8,.0f} of {right:>4,.0f}"
                f"{one['missing']:>11,.0f}{one['mebibytes']:>6,.0f} MiB"
            )
    share = best["ours"]["a_second"] / best["aiodns"]["a_second"]
    small = best["ours"]["mebibytes"] < MOST_MEBIBYTES
    print(
        f"Goal: half of aiodns's questions a second: {share:.2f} of them, {'met' if share >= 0.5 else 'MISSED'};"
    )
    print(f"under {MOST_MEBIBYTES} MiB: {'met' if small else 'MISSED'}.")


def _in_a_process(way: str, port: int) -> dict[str, float]:
    words = [sys.executable, "-m", "tests.bench.resolving", way, str(port)]
    return dict(json.loads(subprocess.run(words, capture_output=True, check=True, text=True).stdout))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(turn(sys.argv[1], int(sys.argv[2]))))
    else:
        main()

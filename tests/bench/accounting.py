"""Accounting files: our reader beside a bare scan by the same engine and beside Python's csv module, in the same minute.

Each runs in a process of its own, in turn; the best rate counts, and the largest memory. Then a file of four times the size, with
the same rows again and again, for the memory alone. `python -m tests.bench.accounting MEGABYTES` for another size."""

import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEADER = (
    "type,timeLogged,timeQueued,orig,rcpt,orcpt,dsnAction,dsnStatus,dsnDiag,dsnMta,bounceCat,srcType,srcMta,dlvType,"
    "dlvSourceIp,dlvDestinationIp,dlvEsmtpAvailable,dlvSize,vmta,jobId,envId,queue,vmtaPool,header_Message-Id"
)
OUTCOMES = {
    "d": ("relayed", "2.0.0 (success)", "smtp;250 2.0.0 OK a12si123456qkg.123", ""),
    "b": (
        "failed",
        "5.1.1 (bad mailbox)",
        '"smtp;550 5.1.1 No such user,\r\n""try"" ID again"',
        "bad-mailbox",
    ),
    "t": ("delayed", "4.7.0 (other)", "smtp;421 4.7.0 [TSS04] temporarily deferred ID", "spam-related"),
}
WAYS = (
    "ingest",
    "ingest with events",
    "engine, our columns",
    "engine, every column",
    "engine, rows alone",
    "csv module",
    "csv module, by name",
    "csv module, counting",
)
READ = (
    "type",
    "timeLogged",
    "rcpt",
    "dsnStatus",
    "dsnDiag",
    "dsnMta",
    "bounceCat",
    "dlvSourceIp",
    "dlvSize",
    "vmta",
)
"""The columns that counting needs; a bare scan of them is what our reader adds its work to."""
TURNS = 3
LARGER = 4
LARGEST_MEMORY = 500
GOALS = {
    "half a bare scan of every column": ("engine, every column", 0.5),
    "half a bare scan of the columns needed": ("engine, our columns", 0.5),
    "5 times the csv module by name": ("csv module, by name", 5.0),
    "5 times the csv module counting": ("csv module, counting", 5.0),
}
"""Ours beside a peer: at least so many times its rate."""


def write(path: Path, megabytes: int) -> None:
    """Rows of 50 IPs and one day, 3 % bounces, some with line breaks."""
    rng = random.Random(1)
    domains = (
        ["gmail.com"] * 45 + ["yahoo.com"] * 15 + ["outlook.com"] * 15 + [f"c{n}.example" for n in range(25)]
    )
    with path.open("wb") as file:
        file.write(f"{HEADER}\r\n".encode())
        while file.tell() < megabytes * 1_000_000:
            file.write("".join(_row(rng, rng.choice(domains)) for _ in range(5_000)).encode())


def _row(rng: random.Random, domain: str) -> str:
    ip, kind = rng.randrange(1, 51), rng.choices("dbt", [93, 3, 4])[0]
    action, status, told, category = OUTCOMES[kind]
    told = told.replace("ID", f"{rng.getrandbits(40):x}")
    at = f"2026-11-01 {rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}+0000"
    return (
        f"{kind},{at},{at},bounce@news{ip}.aurora-mail.example,user{rng.randrange(10**6)}@{domain},,{action},{status},{told},"
        f"mx1.{domain} (192.0.2.{ip}),{category},smtp,mailwizz.example (127.0.0.1),smtp,198.51.100.{ip},192.0.2.{ip},"
        f'"8BITMIME,SIZE,PIPELINING",24576,aurora-{ip},camp-{rng.randrange(9)},,{domain}/aurora-{ip},aurora-newsletter,'
        f"<{rng.getrandbits(64):x}@aurora.example>\r\n"
    )


def one(way: str, path: Path) -> tuple[int, float]:
    """Rows that were read, and seconds; imports are not counted."""
    if way.startswith("ingest"):
        from email_engine.accounting.lexicon import shipped_lexicon
        from email_engine.accounting.scan import connect
        from email_engine.accounting.summarize import Event, summarize
        from email_engine.fleet.providers import shipped_providers

        class Forget:
            def add(self, event: Event) -> None: ...

            def clear(self) -> None: ...

        providers = shipped_providers()
        shipped_lexicon()
        with connect():
            pass  # the engine starts once a process, for the peers too
        start = time.perf_counter()
        rows = summarize(path, "bench", providers, events=Forget() if "events" in way else None).records
    elif way.startswith("engine"):
        from email_engine.accounting.scan import connect

        names = HEADER.split(",")
        columns = ", ".join(f"'c{n}': 'VARCHAR'" for n in range(len(names)))
        read = {"our": READ, "every": names}.get(way.split()[1], ())
        wanted = "".join(f", max(c{names.index(name)})" for name in read)
        query = f"SELECT count(*){wanted} FROM read_csv(?, columns = {{{columns}}}, header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"')"
        with connect() as engine:
            start = time.perf_counter()
            found = engine.execute(query, [str(path)]).fetchone()
            rows = found[0] if found else 0
    elif "counting" in way:
        rows, seconds = counting(path)
        return rows, seconds
    else:
        import csv

        start = time.perf_counter()
        with path.open(newline="") as file:
            rows = sum(1 for _ in (csv.DictReader(file) if "name" in way else csv.reader(file))) - (
                "name" not in way
            )
    return rows, time.perf_counter() - start


def counting(path: Path) -> tuple[int, float]:
    """What we compute of attempts, without replies, events and any check of a row: by the csv module, as plainly as it goes."""
    import csv

    from email_engine.fleet.providers import shipped_providers

    providers = shipped_providers()
    of_domain: dict[str, str] = {}
    counts: dict[tuple[str, ...], int] = {}
    start = time.perf_counter()
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            domain = row["rcpt"].rpartition("@")[2].lower()
            provider = of_domain.get(domain)
            if provider is None:
                provider = of_domain[domain] = providers.of(domain)
            key = (
                row["type"],
                row["dlvSourceIp"],
                row["vmta"],
                provider,
                row["timeLogged"][:13],
                row["bounceCat"],
            )
            counts[key] = counts.get(key, 0) + 1
    return sum(counts.values()), time.perf_counter() - start


def repeat(path: Path, larger: Path) -> None:
    """The rows of a file, LARGER times under one header."""
    with larger.open("wb") as out:
        for turn in range(LARGER):
            with path.open("rb") as file:
                if turn:
                    file.readline()
                shutil.copyfileobj(file, out, 1 << 20)


def measure(way: str, path: Path) -> tuple[int, float, float]:
    """Rows, seconds and peak MB of a process that does it once."""
    command = [sys.executable, "-m", "tests.bench.accounting", "--one", way, str(path)]
    rows, seconds, peak = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return rows, seconds, peak


def main(megabytes: int = 250) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "acct.csv"
        write(path, megabytes)
        size = path.stat().st_size / 1e6
        runs: dict[str, list[tuple[int, float, float]]] = {way: [] for way in WAYS}
        for _ in range(TURNS):
            for way in WAYS:
                runs[way].append(measure(way, path))
        larger = path.with_name("larger.csv")
        repeat(path, larger)
        peaks = {way: measure(way, larger)[2] for way in WAYS[:2]}
        larger_size = larger.stat().st_size / 1e6
    print(f"\nAn accounting file of {size:,.0f} MB, {runs[WAYS[0]][0][0]:,} records; best of {TURNS}.\n")
    print(f"{'':24}{'seconds':>9}{'MB/s':>8}{'peak MB':>9}")
    best = {way: min(run[1] for run in found) for way, found in runs.items()}
    for way, found in runs.items():
        assert len({run[0] for run in [*found, runs[WAYS[0]][0]]}) == 1, (way, found)
        print(f"{way:24}{best[way]:9.2f}{size / best[way]:8.0f}{max(run[2] for run in found):9.0f}")
    for way, peak in peaks.items():
        print(
            f"{way}, a file of {larger_size:,.0f} MB: {peak:.0f} MB at most, {peak - max(r[2] for r in runs[way]):+.0f} MB."
        )
        assert peak < LARGEST_MEMORY, (way, peak)
    for way in WAYS[:2]:
        rates = {peer: seconds / best[way] for peer, seconds in best.items()}
        print(
            f"\n{way.capitalize()}. Goal: half the rate of a bare scan: {rates['engine, our columns']:.2f} of the columns that are "
            f"needed, {rates['engine, every column']:.2f} of every column, {rates['engine, rows alone']:.2f} of counting rows. Goal: "
            f"5 times the csv module: {rates['csv module, counting']:.1f} of one that counts the same, "
            f"{rates['csv module, by name']:.1f} of reading by column name, {rates['csv module']:.1f} of reading alone."
        )
    print("\n" + verdict(best))


def verdict(best: dict[str, float]) -> str:
    """Which goals `ingest` meets, by the seconds of each way."""
    told = []
    for goal, (peer, least) in GOALS.items():
        rate = best[peer] / best["ingest"]
        told.append(f"{goal}: {'met' if rate >= least else 'MISSED'} ({rate:.2f} of {least:g})")
    return "Goals. " + "; ".join(told) + "."


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        rows, seconds = one(sys.argv[2], Path(sys.argv[3]))
        print(json.dumps([rows, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000]))
    else:
        main(*map(int, sys.argv[1:]))

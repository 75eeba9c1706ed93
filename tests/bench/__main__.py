"""`make bench`: a host's configuration rendered, linted and compared, for 100, 1,000 and 10,000 virtual MTAs; then how sure the
judgement of IPs is (judgement.py), how long a day's decisions take (deciding.py), how fast
block lists are asked (resolving.py), and MailWizz's quotas are written (quotas.py).

Wall seconds, the best of three; on a shared machine read them beside the peers', which ran in the same minute."""

import gc
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

from email_engine.fleet.model import IpRecord, Mode, MtaHost
from email_engine.fleet.providers import shipped_providers
from email_engine.pmta.config.deploy_policy import deploy_policy
from email_engine.pmta.config.layout import compose
from email_engine.pmta.config.render import render_host
from email_engine.pmta.language.assembly import assemble
from email_engine.pmta.language.compare import compare
from email_engine.pmta.lint import lint
from tests.bench import accounting, deciding, judgement, quotas, resolving
from tests.bench.peers import gnu_diff, lark_parser, lark_text, line_scan
from tests.core.pmta.records import record

SIZES = (100, 1_000, 10_000)
GOAL = 2.0
HOST = MtaHost("mta-1", "powermta_mta-1")


def fleet(count: int) -> tuple[IpRecord, ...]:
    """Active IPs of one stream with allowances of all sizes."""
    first = ip_address("10.0.0.1")
    return tuple(
        record(n, allowance=500 + n % 100 * 50, address=first + n, dkim_key_path=f"/etc/pmta/dkim/{n}.pem")
        for n in range(1, count + 1)
    )


def render(records: tuple[IpRecord, ...]) -> str:
    sections = render_host(HOST, records, shipped_providers(), deploy_policy())
    return compose(sections, None, {"aurora": Mode.ACT})


def best(work: Callable[[], object], times: int = 3) -> float:
    """Seconds of the fastest run."""
    taken = []
    for _ in range(times):
        gc.collect()
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def measure(count: int) -> dict[str, float]:
    before = fleet(count)
    after = tuple(replace(one, allowance=one.allowance * 2) for one in before)
    old, new = render(before), render(after)
    standing, wanted = assemble(old), assemble(new)
    found = lint(wanted)
    assert not [one for one in found if one.severity != "info"], found[:3]
    assert len(compare(standing, wanted)) >= count
    parser, plain = lark_parser(), lark_text(new)
    return {
        "render": best(lambda: render(after)),
        "read both": best(lambda: (assemble(old), assemble(new))),
        "lint": best(lambda: lint(assemble(new))) - best(lambda: assemble(new)),
        "diff": best(lambda: compare(standing, wanted)),
        "line scan of both": best(lambda: (line_scan(old), line_scan(new))),
        "lark reads one": best(lambda: parser.parse(plain), 1),
        "GNU diff": best(lambda: gnu_diff(old, new)),
        "lines": new.count("\n"),
    }


def main() -> None:
    ours = ("render", "read both", "lint", "diff")
    peers = ("line scan of both", "lark reads one", "GNU diff")
    columns = ("vmtas", "lines", *ours, "together", "us a vmta", *peers)
    print("Every cap differs between the two configurations. Seconds; the last three columns are peers.\n")
    print("  ".join(f"{name:>9}" for name in columns))
    rates = []
    for count in SIZES:
        seconds = measure(count)
        together = sum(seconds[name] for name in ours)
        rates.append(together / count)
        cells = [f"{count:,}", f"{seconds['lines']:,.0f}", *(f"{seconds[name]:.3f}" for name in ours)]
        cells += [
            f"{together:.3f}",
            f"{together / count * 1e6:.0f}",
            *(f"{seconds[name]:.3f}" for name in peers),
        ]
        print("  ".join(f"{cell:>{max(9, len(name))}}" for cell, name in zip(cells, columns, strict=True)))
    print(
        f"\nGoal: {SIZES[-1]:,} virtual MTAs rendered, read, linted and compared in {GOAL:g} s: {rates[-1] * SIZES[-1]:.2f} s."
    )
    print(
        f"Linear: {SIZES[-1]:,} cost {rates[-1] / rates[-2]:.2f} times as much for each as {SIZES[-2]:,} do."
    )
    judgement.main()
    deciding.main()
    accounting.main()
    resolving.main()
    quotas.main()


if __name__ == "__main__":
    main()

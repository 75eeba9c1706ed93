"""The columnar reader against the row-by-row one, on files with everything odd that PowerMTA, exports and disks do."""

import csv
import io
import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from email_engine.accounting.layout import layout_of
from email_engine.accounting.summarize import Summary, summarize
from email_engine.fleet.providers import shipped_providers
from tests.accounting_oracle import read

LAYOUTS = {
    "4.0": "type,timeLogged,timeQueued,timeImprinted,orig,rcpt,dsnDiag,dsnMta,bounceCat,dlvSourceIp,vmta",
    "5.0": "type,timeLogged,timeQueued,orig,rcpt,dsnDiag,dsnMta,bounceCat,dlvSourceIp,vmta,queue,vmtaPool,feedbackType",
    "5.5": "vmta,TIMELOGGED,timeFirstAttempt,rcpt,dsnMta,dlvTlsCipher,type,bounceCat,dlvSourceIp,header_Message-Id,dsnDiag",
    "least": "rcpt,dlvSourceIp,type,timeLogged",
}
CHOICES = {
    "type": [*"ddddbtrf", "tq", "rb", "rs", "delivery", "bounce", "feedback-loop", "x", "", "D"],
    "timelogged": ["2026-11-01 10:15:30+0000"] * 9 + ["2026-11-01 23:45:30+0530", "1793528130", "11/01/2026 10:15:30",
                   "2026-10-31T23:59:59Z", "2026-11-01 10:15:30-03:30", "1999-01-01 10:00:00+0000", "nope", "",
                   "2026-11-01", "2026-02-30 10:00:00+0000", "2026-11-01 10:15:30+9", "2026-11-01 25:00:00+0000",
                   "2026-11-01 24:00:00+0000", "2026-11-1T10:15:00Z", "2026-11-1T 10:15:00", "29026-11-01 10:15:00",
                   "2026-11-01 10:15:30-1300", "2026-11-01 (BC) 10:15", "1/11/2026 10:15:30 ", "11/01/2026 24:00:00",
                   "2026-11-01 10:60:30+0000", "2026-11-01 10:15:60+0000", "2026-11-1  10:15:30+0000", "2026-11-01 10:1:30 +0000",
                   "2026-11-01 24:15:30+0000", "2026-11-31 10:15:30+0000", "2026-11-01 10:59:59+0200", "2026-11-01 10:59:59+1500",
                   "2026-11-01 10:15:30.5+0000", "2026-11-01 00:15:30+0545", "2026-11-01 10:15:30 0000"],
    "rcpt": ["ann@gmail.com"] * 6 + ["b@YAHOO.com", "c@corp.example", "no", "", "@x", "x@", "d@@gmx.de", "\u00fc@gmail.com"],
    "dsndiag": ["ok", "", 'said "no"', "a, b", "line\r\nbreak, and\n\nmore", "line\nbreak", '"', "caf\u00e9", 'x"\r\n"y', "\u2028"],
    "dsnmta": ["", "aspmx.l.google.com (192.0.2.1)", "mx.corp.example"],
    "bouncecat": ["", "bad-mailbox", "quota-issues"],
    "dlvsourceip": ["198.51.100.1", "2001:db8::1", ""],
    "vmta": ["aurora-1", "a,b", ""],
    "feedbacktype": ["", "abuse", "not-spam"],
}  # fmt: skip
GOOD = {
    "timelogged": ["2026-11-01 10:15:30+0000", "2026-11-01 10:59:59+0200", "2026-11-01 00:15:30-0700", "2026-11-01 23:45:30+0530",
                   "2026-11-01 23:10:30+0530", "2026-11-01T10:15:30Z", "2026-11-01 10:15:30", "11/01/2026 10:15:30", "1793528130",
                   "2026-11-01 10:15:30.5+0000", "2026-12-31 23:59:59-1200"],
    "rcpt": ["ann@gmail.com", "b@YAHOO.com", "c@corp.example", "d@@gmx.de", "\u00fc@gmail.com"],
    "dlvsourceip": ["198.51.100.1", "2001:db8::1"],
    "vmta": ["aurora-1", "a,b"],
}  # fmt: skip
"""What the quick way reads to the end, where nothing else is odd."""
BROKEN = ["d,2026", ",,,,,,,,,,,,,,,,,,x", "", "\0\0\0", "x", "  "]


def written(seed: int) -> bytes:
    """A file of rows that a CSV writer made, with some broken ones, other headers, and odd beginnings and ends."""
    rng = random.Random(seed)
    end = rng.choice(["\n", "\r\n"])
    out = io.StringIO(newline="")
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        header = LAYOUTS[rng.choice(list(LAYOUTS))].split(",")
        out.write(",".join(header) + end)
        writer = csv.writer(out, lineterminator=end, quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
        clean = rng.random() < 0.4
        for _ in range(rng.randrange(40)):
            if not clean and rng.random() < 0.06:
                out.write(rng.choice(BROKEN) + end)
            values = {
                name: rng.choice(GOOD.get(name, options) if clean else options)
                for name, options in CHOICES.items()
            }
            if clean:
                values["type"] = rng.choice(["d", "b", "t", "tq", "r", "f", "rb", "rs"])
            writer.writerow([values.get(name.lower(), "") for name in header])
    data = out.getvalue().encode(rng.choice(["utf-8", "utf-8", "utf-8", "latin-1"]), "replace")
    if rng.random() < 0.2:
        data = data.removesuffix(end.encode())
    return (b"\xef\xbb\xbf" if rng.random() < 0.2 else b"") + data


def counts(summary: Summary) -> Counter[tuple[object, ...]]:
    found: Counter[tuple[object, ...]] = Counter()
    for (source, provider, hour), c in summary.stats.items():
        key = (source.address, source.vmta, provider, hour)
        found += Counter(
            {(*key, "delivered"): c.delivered, (*key, "bounced"): c.bounced, (*key, "deferred"): c.deferred}
        )
        found += Counter({(*key, category): count for category, count in c.bounce_categories.items()})
    return found


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**9))
def test_both_readers_agree_on_every_count_and_on_every_bad_line(seed: int) -> None:
    data = written(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "acct.csv"
        path.write_bytes(data)
        ours, wanted = summarize(path, "acct.csv", shipped_providers()), read(data)
    assert counts(ours) == wanted.counts
    assert ours.by_type == dict(wanted.by_type)
    assert [r.line for r in ours.rejected] == wanted.rejected
    assert len(ours.complaints) == wanted.complaints


def test_rows_are_counted_across_the_borders_of_blocks(tmp_path: Path) -> None:
    rows = [f'd,"{"x" * (n % 97)}\r\n""{"y" * (n % 89)}"' for n in range(40_000)]
    path = tmp_path / "acct.csv"
    path.write_bytes("\r\n".join(["type,timeLogged", *rows, ""]).encode())
    told = layout_of(path)
    assert (told.rows, told.whole_bytes, told.cut) == (40_001, path.stat().st_size, False)

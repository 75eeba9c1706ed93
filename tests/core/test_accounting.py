"""PowerMTA accounting files as PowerMTA, its versions and its operators write them."""

import contextlib
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_engine.errors import InputError
from email_engine.fleet.providers import provider_of
from email_engine.mta.accounting import Counts, Source, Summary, parse_time, summarize

HEADER = [
    "type",
    "timeLogged",
    "timeQueued",
    "orig",
    "rcpt",
    "orcpt",
    "dsnAction",
    "dsnStatus",
    "dsnDiag",
    "dsnMta",
    "bounceCat",
    "srcType",
    "srcMta",
    "dlvType",
    "dlvSourceIp",
    "dlvDestinationIp",
    "dlvEsmtpAvailable",
    "dlvSize",
    "vmta",
    "jobId",
    "envId",
    "queue",
    "vmtaPool",
]
HOUR = datetime(2026, 11, 1, 10, tzinfo=UTC)
IP = "198.51.100.7"


def line(kind: str = "d", header: list[str] = HEADER, **fields: str) -> str:
    row = {"type": kind, "timeLogged": "2026-11-01 10:15:30+0000", "rcpt": "ann@gmail.com", "dlvSourceIp": IP,
           "vmta": "aurora-7"} | fields  # fmt: skip
    return ",".join(row.get(column, "") for column in header)


def read(*lines: str, header: list[str] | None = HEADER, end: str = "\r\n", **kw: object) -> Summary:
    text = end.join([*([",".join(header)] if header else []), *lines]) + end
    return summarize(text.encode(), "acct.csv", provider_of, **kw)  # type: ignore[arg-type]


def only(summary: Summary) -> Counts:
    (counts,) = summary.stats.values()
    return counts


def test_zero_bytes_reach_no_database() -> None:
    summary = read(line("b", bounceCat="quota\0"), line("b", dlvSourceIp="\0", vmta="x"), "\0" * 400)
    assert "\0" not in repr(summary).encode().decode("unicode_escape")
    assert (summary.records, summary.rejected_rows) == (2, 1)


def test_attempts_are_delivered_bounced_and_deferred_recipients() -> None:
    summary = read(
        line(), line(), line("b", bounceCat="bad-mailbox"), line("b"), line("t"), line("tq"), line("r")
    )
    assert summary.stats == {
        (Source(IP, "aurora-7"), "gmail", HOUR): Counts(2, 2, 1, 0, {"bad-mailbox": 1, "unknown": 1})
    }
    assert only(summary).attempts == 5
    assert summary.by_type == {"d": 2, "b": 2, "t": 1, "tq": 1, "r": 1}
    assert (summary.records, summary.rejected_rows, summary.first) == (7, 0, HOUR)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(HEADER, id="5.0"),
        pytest.param(
            [*HEADER[:3], "timeImprinted", *HEADER[3:21]], id="4.0, with timeImprinted, without queue"
        ),
        pytest.param(sorted(HEADER), id="any order"),
        pytest.param(["dlvSourceIp", "rcpt", "timeLogged", "type"], id="the least, type last"),
        pytest.param(["vmta", "type", "timeLogged", "rcpt", "header_Message-Id"], id="without source IP"),
        pytest.param([c.upper() for c in HEADER], id="another case"),
    ],
)
def test_columns_are_found_by_name(header: list[str]) -> None:
    known = {c.upper(): c for c in HEADER}
    row = line("d", [known.get(c, c) for c in header] if header[0].isupper() else header)
    ((source, provider, hour), counts) = next(iter(read(row, row, header=header).stats.items()))
    assert (provider, hour, counts.delivered) == ("gmail", HOUR, 2)
    assert source.address == IP or source.vmta == "aurora-7"


@pytest.mark.parametrize(
    "logged",
    [
        "2026-11-01 10:15:30+0000", "2026-11-01 12:15:30+0200", "2026-11-01 15:45:30+0530", "2026-11-01T10:15:30Z",
        "2026-11-01 10:15:30", "1793528130", "11/01/2026 10:15:30+0000", "11/01/2026 10:15:30",
    ],
)  # fmt: skip
def test_all_ways_to_write_a_time_mean_the_same_hour(logged: str) -> None:
    (key,) = read(line(timeLogged=logged)).stats
    assert key[2] == HOUR


@pytest.mark.parametrize(
    "logged",
    ["", "yesterday", "2026-11-01", "2026-13-01 10:00:00+0000", "0", "9" * 30, "13/45/2026 1:2:3", "²³"],
)
def test_an_unreadable_time_rejects_the_row_and_names_its_line(logged: str) -> None:
    summary = read(line(), line(timeLogged=logged), line())
    assert (summary.records, summary.rejected_rows) == (2, 1)
    assert summary.rejected[0].line == 3
    assert "unreadable time" in summary.rejected[0].reason


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (line("x"), "unknown record type 'x'"),
        (line(rcpt="nobody"), "no recipient address: 'nobody'"),
        (line(rcpt="gmail.com"), "no recipient address"),
        (line(rcpt="@gmail.com"), "no recipient address"),
        (line(rcpt="ann@"), "no recipient address"),
        (line(rcpt=""), "no recipient address"),
        (line(dlvSourceIp="", vmta=""), "neither dlvSourceIp nor vmta"),
        ("d,2026-11-01", "2 fields, the header has 23"),
        (line() + ",", "24 fields, the header has 23"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason_and_the_rest_counts(row: str, said: str) -> None:
    summary = read(line(), row, line())
    assert [r.reason for r in summary.rejected] == [r.reason for r in summary.rejected if said in r.reason]
    assert (summary.records, summary.rejected_rows, only(summary).delivered) == (2, 1, 2)
    assert summary.rejected_rate == pytest.approx(1 / 3)


def test_quoted_fields_hold_commas_quotes_and_line_breaks() -> None:
    summary = read(
        line(dsnDiag='"smtp;550 5.1.1 ""no"", such\r\nuser"', dlvEsmtpAvailable='"PIPELINING,8BITMIME"'),
        line(),
    )
    assert (summary.records, summary.rejected_rows) == (2, 0)


def test_a_quote_that_never_closes_counts_every_line_it_swallows() -> None:
    rows = [line() for _ in range(1000)]
    rows[10] = line(dsnDiag='"smtp;550')
    summary = read(*rows)
    assert summary.records == 10
    assert summary.rejected_rows >= 989
    assert summary.rejected_rate > 0.9


def test_rows_larger_than_a_field_may_be_are_counted_as_lost_lines() -> None:
    rows = [line() for _ in range(4000)]
    rows[10] = line(dsnDiag='"smtp;550')
    summary = read(*rows)
    assert summary.records + summary.rejected_rows == pytest.approx(4000, abs=2)
    assert "not CSV" in summary.rejected[0].reason


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_both_line_ends_a_byte_order_mark_blank_lines_and_foreign_bytes_are_read(end: str) -> None:
    body = end.join([",".join(HEADER), line(), "", line(dsnDiag="caf\xe9")]) + end
    summary = summarize(b"\xef\xbb\xbf" + body.encode("latin-1"), "a", provider_of)
    assert (summary.records, summary.rejected_rows) == (2, 0)


def test_concatenated_files_bring_their_header_again_even_another_one() -> None:
    other = ["type", "timeLogged", "vmta", "rcpt", "dlvSourceIp"]
    summary = read(line(), ",".join(HEADER), line(), ",".join(other), line("d", other))
    assert (summary.records, summary.rejected_rows, only(summary).delivered) == (3, 0, 3)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (b"\r\n", "the file is empty"),
        (b"a,b,c\r\n", "no column type and no column timeLogged in the first line"),
        (b"d,2026-11-01 10:00:00+0000,x\r\n", "no column type"),
        (b"\x7fELF\x00\x01", "no column type"),
    ],
)
def test_a_file_without_its_header_is_an_error_that_names_file_and_remedy(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        summarize(data, "mta-1:acct.csv", provider_of)
    assert str(caught.value).startswith("mta-1:acct.csv: ")


def test_a_header_alone_is_an_empty_summary() -> None:
    summary = read()
    assert (summary.records, summary.rejected_rate, summary.first, summary.stats) == (0, 0.0, None, {})


def test_files_of_other_record_types_alone_are_read_without_recipient_or_source() -> None:
    queues = ["type", "timeLogged", "queue", "vmta"]
    reports = ["type", "timeLogged", "orig", "rcpt"]
    assert read(line("tq", queues), header=queues).by_type == {"tq": 1}
    assert read(line("rb", reports), line("rs", reports), header=reports).records == 2
    assert read(line("d", reports), header=reports).rejected[0].reason == "neither dlvSourceIp nor vmta"
    assert read(line("d", queues), header=queues).rejected[0].reason == "no recipient address: ''"


def test_complaints_take_their_ip_from_the_message_id_then_from_the_report() -> None:
    header = [*HEADER, "feedbackType", "format", "header_Message-Id"]
    known = {"1@aurora": Source("198.51.100.9", "")}
    summary = read(
        line(
            "f", header, dlvSourceIp="", vmta="", header_Message_Id="", **{"header_Message-Id": "<1@aurora>"}
        ),
        line("f", header, vmta="", **{"header_Message-Id": "<2@aurora>"}),
        line("f", header, dlvSourceIp="", vmta=""),
        line("f", header, feedbackType="not-spam"),
        line("f", header, rcpt="", format="jmrp"),
        header=header,
        origins=known,
    )
    assert {key[:2]: counts.complained for key, counts in summary.stats.items()} == {
        (Source("198.51.100.9", ""), "gmail"): 1,
        (Source(IP, ""), "gmail"): 1,
        (Source(IP, "aurora-7"), "microsoft"): 1,
    }
    assert (summary.complaints_without_source, summary.records) == (1, 5)


def test_domains_of_one_provider_add_up_in_any_case() -> None:
    summary = read(
        line(rcpt="a@gmail.com"), line(rcpt="b@GMAIL.com"), line("b", rcpt="c@googlemail.com", bounceCat="x")
    )
    assert only(summary) == Counts(2, 1, 0, 0, {"x": 1})


@given(st.binary(max_size=400))
def test_no_bytes_whatever_make_it_fail_otherwise(data: bytes) -> None:
    summary = summarize(",".join(HEADER).encode() + b"\r\n" + data, "a", provider_of)
    assert summary.records >= 0


@given(st.text(max_size=40))
def test_a_time_is_read_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError, OverflowError):
        assert parse_time(text).tzinfo is UTC


def test_a_days_sixty_thousand_rows_take_well_under_a_second_of_cpu() -> None:
    rows = [
        line(timeLogged=f"2026-11-01 {n % 24:02d}:{n % 60:02d}:{n % 59:02d}+0000", rcpt=f"u{n}@d{n % 300}.example",
             dlvSourceIp=f"198.51.100.{n % 50 + 1}", dlvEsmtpAvailable='"A,B"')
        for n in range(60_000)
    ]  # fmt: skip
    data = "\r\n".join([",".join(HEADER), *rows]).encode()
    before = time.process_time()
    assert summarize(data, "a", provider_of).records == 60_000
    assert time.process_time() - before < 1.5

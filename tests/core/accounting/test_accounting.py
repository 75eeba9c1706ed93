"""PowerMTA accounting files as PowerMTA, its versions and its operators write them."""

import contextlib
import gzip
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from email_engine.accounting import group_counts
from email_engine.accounting import summarize as accounting
from email_engine.accounting.summarize import Counts, Event, SendingSource, Summary, parse_time, summarize
from email_engine.errors import InputError
from email_engine.fleet.providers import shipped_providers

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


class Kept(list[Event]):
    """An event sink."""

    add = list.append


def read_bytes(data: bytes, name: str = "acct.csv", events: Kept | None = None) -> Summary:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "acct.csv"
        path.write_bytes(data)
        return summarize(path, name, shipped_providers(), events=events)


def read(*lines: str, header: list[str] = HEADER, end: str = "\r\n", events: Kept | None = None) -> Summary:
    return read_bytes((end.join([",".join(header), *lines]) + end).encode(), events=events)


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
        (SendingSource(IP, "aurora-7"), "gmail", HOUR): Counts(
            2, 2, 1, 0, {"bad-mailbox": 1, "unknown": 1}, {"address": 1, "unknown": 1}, {"unknown": 1}
        )
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
    [
        "",
        "yesterday",
        "2026-11-01",
        "2026-13-01 10:00:00+0000",
        "0",
        "9" * 30,
        "13/45/2026 1:2:3",
        "²³",
        "2026-11-01 24:00:00+0000",
        "2026-11-1T10:15:00Z",
        "29026-11-01 10:15:00",
        "2026-11-01 (BC) 10:15",
        "9999-12-31 23:59:59-0500",
        "2026-11-01 10:15:30+1401",
        "2026-11-01 10:15:30-12:30",
        "2026-11-01 10:15:30+2300",
    ],
)
@pytest.mark.parametrize("kind", ["d", "b", "f"])
def test_an_unreadable_time_rejects_the_row_and_names_its_line(logged: str, kind: str) -> None:
    summary = read(line(), line(kind, timeLogged=logged), line(), events=Kept())
    assert (summary.records, summary.rejected_rows) == (2, 1)
    assert summary.rejected[0].line == 3
    assert "unreadable time" in summary.rejected[0].reason


@pytest.mark.parametrize(
    "date", ["Fri, 31 Dec 9999 23:00:00 -1200", "Mon, 1 Jan 0001 00:00:00 +1400", "9" * 20, "x" * 9_000, ","]
)
def test_a_complaint_whose_mail_tells_an_impossible_date_counts_without_it(date: str) -> None:
    row = line("f", [*HEADER, "header_Date"], header_Date=f'"{date}"')
    (complaint,) = read(row, header=[*HEADER, "header_Date"]).complaints
    assert complaint.sent_at is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (line("x"), "unknown record type 'x'"),
        (line(rcpt="nobody"), "no recipient address"),
        (line(rcpt="gmail.com"), "no recipient address"),
        (line(rcpt="@gmail.com"), "no recipient address"),
        (line(rcpt="ann@"), "no recipient address"),
        (line(rcpt=""), "no recipient address"),
        (line(dlvSourceIp="", vmta=""), "neither dlvSourceIp nor vmta"),
        ("d,2026-11-01", "2 fields, the header has 23"),
        (line() + ",x", "24 fields, the header has 23"),
        (line(dsnDiag='"no"t', vmta='"'), "text behind a closing quote"),
        (line(dsnDiag='"no"t'), "text behind a closing quote"),
        (line(dsnDiag="a\rb"), "a bare CR"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason_and_the_rest_counts(row: str, said: str) -> None:
    summary = read(line(), row, line())
    assert [r.reason for r in summary.rejected] == [r.reason for r in summary.rejected if said in r.reason]
    assert (summary.records, summary.rejected_rows, only(summary).delivered) == (2, 1, 2)
    assert summary.rejected_rate == pytest.approx(1 / 3)


@pytest.mark.parametrize("column", ["dlvSize", "totalSecondsQueued"])
def test_a_negative_number_makes_a_bad_row(column: str) -> None:
    header = [*HEADER, "totalSecondsQueued"]
    summary = read(line("d", header), line("d", header, **{column: "-7"}), header=header)
    assert (summary.records, [r.line for r in summary.rejected]) == (1, [3])
    assert summary.rejected[-1].reason == "a negative size or time in the queue"


@pytest.mark.parametrize(
    ("logged", "good"),
    [
        ("2026-11-01 09:59:59+0000", True),
        ("2026-11-01 10:15:30+0000", False),
        ("2026-11-01 11:15:30+0200", True),
        ("2026-11-01 12:15:30+0200", False),
        ("1793528130", False),
        ("2026-11-01 15:15:30+0530", True),
        ("2026-11-01 15:45:30+0530", False),
    ],
)
def test_a_row_dated_in_the_future_is_a_bad_row(logged: str, good: bool, tmp_path: Path) -> None:
    path = tmp_path / "acct.csv"
    rows = [",".join(HEADER), line(timeLogged="2026-10-31 23:00:00+0000"), line(timeLogged=logged), ""]
    path.write_text("\r\n".join(rows), newline="")
    latest = HOUR - timedelta(minutes=1)
    summary = summarize(path, "acct.csv", shipped_providers(), latest=latest)
    assert summary.records == 1 + good
    assert [(r.line, r.reason[:19]) for r in summary.rejected] == [(3, "dated in the future")] * (not good)


def test_a_clean_file_never_takes_the_careful_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounting, "_careful", None)
    kinds = ("d", "b", "t", "tq", "r", "f", "rb", "rs")
    rows = [line(kind, dsnDiag='"smtp;550 5.1.1 ann,\r\n""no"""', dlvSize="17") for kind in kinds]
    summary = read(*rows, events=Kept())
    assert (summary.by_type, summary.rejected_rows) == (dict.fromkeys(kinds, 1), 0)


def test_a_reply_is_judged_by_its_words_and_a_recipient_named_like_a_verdict_changes_nothing() -> None:
    said = line(
        "b", rcpt="zutlisted@gmail.com", dsnStatus="5.1.1 (bad)", dsnDiag="smtp;550 5.1.1 zutlisted is gone"
    )
    summary = read(said, line("t", rcpt="rate@gmail.com", dsnStatus="4.7.0", dsnDiag="smtp;421 rate limited"))
    assert only(summary).bounce_meanings == {"address": 1}
    assert only(summary).deferral_meanings == {"rate": 1}
    assert {text for _, _, text in summary.texts} == {
        "5.1.1 smtp;550 5.1.1 # is gone",
        "4.7.0 smtp;421 rate limited",
    }
    assert "zutlisted" not in repr(summary.texts)


def test_quoted_fields_hold_commas_quotes_and_line_breaks() -> None:
    summary = read(
        line(dsnDiag='"smtp;550 5.1.1 ""no"", such\r\nuser"', dlvEsmtpAvailable='"PIPELINING,8BITMIME"'),
        line(),
    )
    assert (summary.records, summary.rejected_rows) == (2, 0)


def test_a_quote_that_never_closes_costs_its_own_row_alone() -> None:
    rows = [line(dlvEsmtpAvailable='"A,B"' if n % 2 else "") for n in range(1000)]
    rows[10] = line(dsnDiag='"smtp;550')
    rows[998] = line(dsnDiag='"smtp;550')
    summary = read(*rows)
    assert (summary.records, [r.line for r in summary.rejected]) == (998, [12, 1000])
    assert all("never closes" in r.reason for r in summary.rejected)


def test_a_row_longer_than_a_row_may_be_is_lost_alone() -> None:
    summary = read(line(), line(dsnDiag="x" * 3_000_000), line(), line(dsnDiag='"' + "y" * 3_000_000), line())
    assert summary.records == 3
    assert {r.line for r in summary.rejected} == {3, 5}


def test_a_bare_line_feed_in_the_quotes_of_the_first_row_is_read_the_careful_way_too() -> None:
    summary = read(line("b", dsnDiag='"550 no\nsuch user"'), "x", *[line()] * 3)
    assert (summary.records, [r.line for r in summary.rejected]) == (4, [4])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_both_line_ends_a_byte_order_mark_blank_lines_and_foreign_bytes_are_read(end: str) -> None:
    body = end.join([",".join(HEADER), line(), "", line(dsnDiag="caf\xe9")]) + end
    summary = read_bytes(b"\xef\xbb\xbf" + body.encode("latin-1"))
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
        read_bytes(data, "mta-1:acct.csv")
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
    assert read(line("d", queues), header=queues).rejected[0].reason == "no recipient address"


FEEDBACK = [*HEADER, "feedbackType", "format", "header_Message-Id", "header_x-job", "header_Date"]


def test_complaints_stand_by_themselves_and_count_for_the_hour_of_sending_where_they_tell_it() -> None:
    told = {"header_Message-Id": "<2@aurora>", "header_x-job": "news-7"}
    dates = {
        "Sun, 25 Oct 2026 08:30:00 +0100": "2026-10-25 07:00",
        "Sun, 1 Nov 2099 08:30:00 +0000": "2026-11-01 10:00",
        "yesterday": "2026-11-01 10:00",
    }
    summary = read(
        *(line("f", FEEDBACK, header_Date=f'"{date}"', **told) for date in dates),
        line("f", FEEDBACK, dlvSourceIp="", vmta=""),
        line("f", FEEDBACK, feedbackType="not-spam"),
        line("f", FEEDBACK, rcpt="", format="jmrp"),
        header=FEEDBACK,
        events=Kept(),
    )
    assert (summary.records, summary.stats, len(summary.complaints)) == (6, {}, 5)
    rows = {(key[0], key[1], f"{key[2]:%Y-%m-%d %H:%M}"): c.complained for key, c in summary.rows()}
    gmail = {(SendingSource(IP, "aurora-7"), "gmail", hour) for hour in dates.values()}
    assert set(rows) == gmail | {(SendingSource(IP, "aurora-7"), "microsoft", "2026-11-01 10:00")}
    assert sum(rows.values()) == 4, "one names no source"
    first = next(event for event in summary.complaints if event.job)
    assert (first.message_id, first.job) == ("2@aurora", "news-7")
    assert "ann" not in repr(first)


def test_bounces_are_told_one_by_one_to_who_asks_also_of_an_odd_file() -> None:
    header = [*HEADER, "header_Message-Id"]
    bounce = line("b", header, bounceCat="bad-mailbox", dsnStatus="5.1.1 (bad)", jobId="j1")
    for odd in ((), ("x",)):
        events = Kept()
        read(bounce, bounce, line("rb", header), line("d", header), *odd, header=header, events=events)
        assert sorted(event.kind for event in events) == ["bounce", "bounce", "remote_bounce"]
        found = next(event for event in events if event.kind == "bounce")
        assert (found.category, found.status, found.job) == ("bad-mailbox", "5.1.1", "j1")
        assert (found.recipient, found.at) == ("ann@gmail.com", HOUR + timedelta(minutes=15, seconds=30))


def test_companies_at_a_provider_are_known_by_the_mx_host_that_answered() -> None:
    rows = [line(rcpt="a@corp.example", dsnMta=host) for host in
            ("aspmx.l.google.com (192.0.2.1)", "corp-example.mail.protection.outlook.com (192.0.2.2)", "mx.corp.example", "")]  # fmt: skip
    assert {key[1]: c.delivered for key, c in read(*rows).stats.items()} == {
        "gmail": 1,
        "microsoft": 1,
        "other": 2,
    }


def test_a_name_that_looks_like_a_pattern_is_that_one_file(tmp_path: Path) -> None:
    for name in ("acct[1]*.csv", "acct1.csv", "acct-2.csv.gz"):
        (tmp_path / name).write_text(f"{','.join(HEADER)}\r\n{line()}\r\n", newline="")
        assert summarize(tmp_path / name, name, shipped_providers()).records == 1


def test_a_wrong_field_that_may_be_an_address_is_not_shown() -> None:
    summary = read(line("bob@x.example"), line(timeLogged="bob@x.example"))
    assert len(summary.rejected) == 2
    assert "bob" not in repr(summary)


def test_a_file_without_a_last_line_break_is_whole_and_says_where_its_last_row_begins() -> None:
    data = "\r\n".join([",".join(HEADER), line(), line()]).encode()
    summary = read_bytes(data)
    assert (summary.records, summary.cut, summary.whole_bytes) == (2, True, len(data) - len(line()))
    assert not read(line()).cut


def test_domains_of_one_provider_add_up_in_any_case() -> None:
    summary = read(
        line(rcpt="a@gmail.com"), line(rcpt="b@GMAIL.com"), line("b", rcpt="c@googlemail.com", bounceCat="x")
    )
    assert only(summary) == Counts(2, 1, 0, 0, {"x": 1}, {"unknown": 1})


GOOD = (",".join(HEADER) + "\r\n" + (line() + "\r\n") * 40).encode()


@pytest.mark.parametrize(
    "data",
    [
        GOOD.replace(b"\r\n", b"\r"),
        GOOD.decode().encode("utf-16"),
        gzip.compress(GOOD),
        GOOD.replace(b"rcpt", b'"rcpt', 1),
        GOOD.replace(b"rcpt", b'rcpt"', 1),
    ],
    ids=["carriage returns alone", "UTF-16", "gzip", "a quote that opens", "a quote that closes"],
)
def test_a_file_that_is_no_csv_or_has_an_open_quote_in_its_header_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^acct\.csv: "):
        read_bytes(data)


def test_what_brings_the_reader_down_is_an_error_with_its_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("ann@gmail.com")

    monkeypatch.setattr(group_counts, "scan", broken)
    with pytest.raises(InputError, match="RuntimeError") as caught:
        read(line())
    assert "ann" not in str(caught.value)


def test_what_fails_in_the_sink_is_not_the_fault_of_the_file() -> None:
    class Full(Kept):
        def add(self, event: Event) -> None:
            raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"):
        read(line("b"), events=Full())


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_whatever_make_it_fail_otherwise(data: bytes) -> None:
    summary = read_bytes(",".join(HEADER).encode() + b"\r\n" + data)
    assert summary.records >= 0


@given(st.text(max_size=40))
def test_a_time_is_read_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError, OverflowError):
        assert parse_time(text).tzinfo is UTC

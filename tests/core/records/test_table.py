"""Records as a table, as CSV and as JSON."""

import csv
import io

import pytest

from email_engine.records.model import DnsRecord, Purpose, RecordState, distinct
from email_engine.records.table import for_people, records_json, render_csv, render_table, told
from email_engine.records.wanted import records_of
from tests.fleet_senders import keys_of, planned

ROW = DnsRecord("a.example", "TXT", "v=spf1 -all", Purpose.SPF, "a.example", replaces=("v=spf1 +all",))
WAITS = DnsRecord("a.example", "MX", "", Purpose.MX, "a.example", RecordState.UNDECIDED, "nobody knows")


def test_the_table_has_name_type_ttl_and_value_and_below_what_is_not_ready() -> None:
    assert render_table([ROW, WAITS]).splitlines() == [
        "NAME       TYPE     TTL VALUE",
        'a.example. TXT     3600 "v=spf1 -all"',
        "    in place of v=spf1 +all",
        "",
        "Not ready: 1 record",
        "  a.example. MX (mx) to be decided: nobody knows",
    ]
    assert render_table([]) == ""


def test_csv_has_one_row_a_record_and_comes_back_as_it_was() -> None:
    found = records_of([planned()], keys_of())
    rows = list(csv.DictReader(io.StringIO(render_csv(found))))
    assert [row["name"] for row in rows] == [f"{record.name}." for record in found]
    dkim = next(row for row in rows if row["purpose"] == "dkim")
    strings = dkim["value"].strip('"').split('" "')
    assert max(map(len, strings)) <= 255
    assert "".join(strings) == next(r.value for r in found if r.purpose is Purpose.DKIM)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"], ids=repr)
def test_no_cell_is_a_formula(text: str) -> None:
    record = DnsRecord("a.example", "TXT", "", Purpose.SPF, text, RecordState.BY_HAND, text, (text,))
    (row,) = csv.DictReader(io.StringIO(render_csv([record])))
    assert not [cell for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_json_has_the_strings_of_a_text_and_null_for_what_is_not_known() -> None:
    text, waits = records_json([ROW, WAITS])
    assert (text["value"], text["strings"], text["replaces"]) == (
        "v=spf1 -all",
        ["v=spf1 -all"],
        ["v=spf1 +all"],
    )
    assert (waits["value"], waits["strings"], waits["state"]) == (None, None, "to be decided")


def test_people_are_told_numbers_and_not_what_stands_beside() -> None:
    beside = DnsRecord("a.example", "TXT", "x", Purpose.BESIDE, "a.example", RecordState.KEPT)
    assert told(for_people([ROW, WAITS, beside])) == "1 to publish, 1 to be decided"
    assert told([]) == "no record"


def test_a_record_that_serves_hides_the_same_one_that_stands_beside() -> None:
    beside = DnsRecord("a.example", "TXT", ROW.value, Purpose.BESIDE, "a.example", RecordState.KEPT)
    assert distinct([beside, ROW]) == (ROW,)
    assert distinct([ROW, beside]) == (ROW,)

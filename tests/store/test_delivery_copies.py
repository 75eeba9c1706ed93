"""Copies with other line ends count nothing twice, and what grows goes on where it stopped, in a real PostgreSQL."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from email_engine.accounting.read_files import read_all
from email_engine.store import schema as s
from email_engine.store.accounting.delivery import AccountingFile, take_file
from email_engine.store.engine import Store
from tests.store.test_delivery import READING, attempted, content, fleet, numbered, row, take

__all__ = ["fleet"]
BOM = b"\xef\xbb\xbf"
MANY = content(*numbered(*range(40)), row("b", rcpt='"a\r\nb@gmail.com"'), *numbered(*range(50, 60)))
ONE = content(row())


def lf(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


Form = Callable[[bytes], bytes]
FORMS: dict[str, Form] = {
    "CRLF": lambda data: data,
    "LF": lf,
    "no last line break": lambda data: data.removesuffix(b"\r\n"),
    "LF and no last line break": lambda data: lf(data).removesuffix(b"\n"),
    "a byte-order mark": lambda data: BOM + data,
    "LF and a byte-order mark": lambda data: BOM + lf(data),
    "cut between CR and LF": lambda data: data.removesuffix(b"\n"),
    "an empty line more": lambda data: data + b"\r\n",
}
GROWING = {name: form for name, form in FORMS.items() if name != "an empty line more"}


def forget(store: Store) -> None:
    with store.session(tenant="*") as conn:
        for table in (s.accounting_quarantine, s.delivery_events, s.delivery_stats, s.accounting_files):
            conn.execute(table.delete())


@pytest.mark.parametrize("data", [ONE, MANY], ids=["one row", "many"])
def test_each_form_of_a_file_after_each_other_counts_nothing_twice(fleet: Store, data: bytes) -> None:
    wanted = data.count(b"gmail.com")
    for first in GROWING.values():
        forget(fleet)
        for number, (name, form) in enumerate([("first", first), *FORMS.items()]):
            taken = take(fleet, form(data), f"{name}.csv", modified=number)
            assert taken.rejected == 0, name
            assert attempted(fleet) == wanted, name


@pytest.mark.parametrize("first", GROWING.values(), ids=GROWING)
def test_a_file_that_grows_in_another_form_goes_on_at_the_right_row(fleet: Store, first: Form) -> None:
    begun = content(*numbered(*range(20)), row(rcpt='"a\r\nb@gmail.com"'))
    whole = begun + content(*numbered(*range(100, 130)))[len(content()) :]
    for name, then in FORMS.items():
        forget(fleet)
        assert take(fleet, first(begun)).records == 21, name
        done = take(fleet, then(whole), modified=2)
        assert (done.status, done.rejected, attempted(fleet)) == ("taken", 0, 51), name


def test_other_rows_are_no_copy_in_whatever_form(fleet: Store) -> None:
    take(fleet, content(*numbered(1, 2, 3)))
    assert take(fleet, lf(content(*numbered(1, 2, 4))), "b.csv").status == "taken"
    assert attempted(fleet) == 6


def test_what_was_read_is_the_identity_not_what_the_host_had_listed(fleet: Store, tmp_path: Path) -> None:
    """Listed with 100 bytes, it had grown when it came: the rest of it still counts once."""
    whole, grown = content(*numbered(*range(30))), content(*numbered(*range(45)))
    path = tmp_path / "file"
    for data, listed in ((whole, 100), (grown, len(whole)), (grown, len(grown))):
        path.write_bytes(data)
        with fleet.session(tenant="*") as conn:
            take_file(
                conn, AccountingFile("mta-1", "a.csv", listed, 1), path, READING, dag_id=None, run_id=None
            )
    assert attempted(fleet) == 45
    with fleet.session(tenant="*") as conn:
        sizes = conn.execute(select(s.accounting_files.c.size).order_by(s.accounting_files.c.id)).scalars()
        assert list(sizes)[:2] == [len(whole), len(grown)]
        assert conn.execute(select(func.sum(s.accounting_files.c.records))).scalar_one() == 45


@pytest.mark.parametrize("form", GROWING.values(), ids=GROWING)
def test_the_command_counts_a_copy_in_another_form_once_too(tmp_path: Path, form: Form) -> None:
    paths = [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    for path, data in zip(paths, (MANY, form(MANY), form(content(*numbered(*range(20))))), strict=True):
        path.write_bytes(data)
    assert sum(file.summary.records for file in read_all(paths)) == 51


def test_a_compressed_file_counts_like_the_plain_one_and_only_once(fleet: Store) -> None:
    packed = gzip.compress(MANY)
    assert (take(fleet, packed, "acct.csv.gz").status, attempted(fleet)) == (
        "taken",
        MANY.count(b"gmail.com"),
    )
    assert take(fleet, MANY, "acct.csv", modified=1).status == "duplicate"
    with fleet.session(tenant="*") as conn:
        sizes = conn.execute(select(s.accounting_files.c.name, s.accounting_files.c.size)).all()
    assert ("acct.csv.gz", len(packed)) in [tuple(one) for one in sizes]


def test_a_cut_one_is_refused_and_the_whole_one_taken(fleet: Store) -> None:
    packed = gzip.compress(MANY)
    cut = take(fleet, packed[:-12], "acct.csv.gz")
    assert (cut.status, "gzip is damaged or cut off" in cut.message) == ("refused", True)
    assert take(fleet, packed, "acct.csv.gz", modified=1).status == "taken"

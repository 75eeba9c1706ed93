"""The newest Message-Ids of an accounting file."""

from pathlib import Path

import pytest

from email_engine.accounting.message_ids import TAIL, newest_ids
from email_engine.errors import InputError

HEADER = "type,timeLogged,rcpt,vmta,header_Message-Id"


def file(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("\r\n".join([header, *rows]) + "\r\n")
    return path


def row(n: int, kind: str = "d") -> str:
    return f"{kind},2026-11-01 10:00:00+0000,u{n}@example.com,v-{n % 2},<{n}@mail.example>"


def test_the_last_deliveries_tell_it_newest_first(tmp_path: Path) -> None:
    found = newest_ids(file(tmp_path, *map(row, range(50)), row(99, "b"), row(3)), "a", 3)
    assert [one.message_id for one in found.sample] == [
        "3@mail.example",
        "49@mail.example",
        "48@mail.example",
    ]
    assert (found.deliveries, found.with_id, found.column) == (51, 51, True)
    assert "mail.example" not in repr(found)


def test_of_a_large_file_only_its_end_is_read(tmp_path: Path) -> None:
    path = file(tmp_path, *map(row, range(20_000)))
    assert path.stat().st_size > 2 * TAIL
    found = newest_ids(path, "a", 20)
    assert found.sample[0].message_id == "19999@mail.example"
    assert found.deliveries < 6_000


@pytest.mark.parametrize(
    ("header", "rows", "seen"),
    [
        ("type,timeLogged,rcpt", ["d,2026-11-01 10:00:00+0000,a@b.example"], (1, 0, False)),
        (HEADER, ["d,2026-11-01 10:00:00+0000,a@b.example,v,"], (1, 0, True)),
        (HEADER, ["f,2026-11-01 10:00:00+0000,a@b.example,v,<x@y>"], (0, 0, True)),
        (HEADER, ["delivery,2026-11-01 10:00:00+0000,a@b.example,v,<x@y>", "d,half a row"], (1, 1, True)),
        (HEADER, [f"d,2026-11-01 10:00:00+0000,a@b.example,v,<{'x' * 300}>"], (1, 1, True)),
        (HEADER, [], (0, 0, True)),
    ],
    ids=[
        "no column",
        "empty",
        "complaints alone",
        "long names and a cut row",
        "too long to be one",
        "no row",
    ],
)
def test_uneven_files(tmp_path: Path, header: str, rows: list[str], seen: tuple[int, int, bool]) -> None:
    found = newest_ids(file(tmp_path, *rows, header=header), "a", 5)
    assert (found.deliveries, found.with_id, found.column) == seen


def test_what_is_no_accounting_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        newest_ids(file(tmp_path, header="no,such"), "a", 5)

"""docs/keys.md tells every key that a reader knows, what the reader says of it, and every column that is asked for."""

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from email_engine.accounting import scan
from email_engine.accounting.columns import READ, Columns
from email_engine.fleet.key_tables import KeyRow, key_tables, known_keys
from email_engine.fleet.providers import shipped_providers
from email_engine.paths import ROOT
from email_engine.simulation.scenario_file import read_scenario
from stack.documents import main, pages
from stack.key_page import IP_FORMS, SCENARIO, fleet_document, keys_page, read_fleet_file

FORMS = [fleet_document(entry) for entry in IP_FORMS.values()]


def told_and_known() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    told, known = defaultdict(set), defaultdict(set)
    for read, document in [(read_scenario, SCENARIO), *((read_fleet_file, one) for one in FORMS)]:
        for path, rows in key_tables(read, document).items():
            told[path] |= {row.key for row in rows}
        for path, keys in known_keys(read, document).items():
            known[path] |= keys
    return told, known


def test_every_key_that_may_stand_in_a_file_is_told() -> None:
    told, known = told_and_known()
    assert {path: known[path] - told[path] for path in known if known[path] - told[path]} == {}
    assert {"tenants[].streams[].ips[]", "mta_hosts[].base", "kinds[]", "events[]", "reports"} <= known.keys()


@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("mta_hosts[]", KeyRow("accounting_dir", "", "/var/log/pmta/done", needed=False)),
        ("tenants[]", KeyRow("daily_quota", "a whole number from 1 to 1,000,000,000", "", needed=True)),
        (
            "tenants[].streams[]",
            KeyRow("daily_quota", "a whole number from 1 to 1,000,000,000", "", needed=False),
        ),
        ("tenants[].streams[].ips[]", KeyRow("phase", "a whole number from 1 to 100", "1", needed=False)),
    ],
    ids=["a default", "needed", "not needed though it has no default", "of an entry"],
)
def test_a_row_says_what_the_reader_says(path: str, row: KeyRow) -> None:
    (found,) = (one for one in key_tables(read_fleet_file, FORMS[0])[path] if one.key == row.key)
    assert found._replace(allowed=found.allowed if row.allowed else "") == row


def test_names_that_anybody_chooses_are_one_row() -> None:
    assert [row.key for row in key_tables(read_scenario, SCENARIO)["providers"]] == ["(any name)"]


def test_the_page_has_the_forms_of_an_entry_apart() -> None:
    page = keys_page()
    for form in IP_FORMS:
        assert f"### `tenants[].streams[].ips[]`: {form}\n" in page
    assert page.count("### `tenants[].streams[].ips[].states`") == 2
    assert page.count("### `mta_hosts[].base`") == 1


def test_the_columns_are_those_that_a_scan_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()

    def witnessed(_: Columns, *names: str) -> int:
        asked.update(names)
        return 0

    monkeypatch.setattr(Columns, "at", witnessed)
    scan.query(
        Path("a.csv"), Columns(("type",)), shipped_providers(), "", datetime(2026, 11, 1, tzinfo=UTC),
        header=True, lines=True, events=True,
    )  # fmt: skip
    assert {name.lower() for name in READ} == asked
    page = keys_page()
    assert all(f"| `{name}` |" in page for name in READ)


def test_a_stale_page_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    page = ROOT / "docs" / "keys.md"
    assert page in pages()
    monkeypatch.setattr("stack.documents.pages", lambda: {page: "another"})
    assert main(["--check"]) == 1
    assert "docs/keys.md is stale. Next: make docs" in capsys.readouterr().out

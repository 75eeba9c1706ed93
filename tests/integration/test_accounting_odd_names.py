"""Odd names in the accounting folder of a real lab host: `accounting_ingest` and `mta_health` go on and say what they could not
use."""

from collections.abc import Iterator
from typing import Any

import pytest

from email_engine.store import schema as s
from email_engine_airflow.operators.accounting_ingest import IngestHost
from email_engine_airflow.operators.mta_health import CheckHost
from lab.testing import LabRefused
from tests.whole_lab import Whole

ODD = ("acct-%FF%FE.csv", "acct-%0A1.csv", "-rf.csv", "a" * 251 + ".csv", "a..b.csv", "%1B[2J.csv")


@pytest.fixture
def whole(whole: Whole) -> Iterator[Whole]:
    yield whole
    for name in (*ODD, "folder.csv", "link.csv"):
        whole.lab.knob("put_accounting", file=name, kind="nothing")


def ingest(whole: Whole) -> dict[str, Any]:
    return IngestHost(task_id="ingest", mta_host="mta-1").execute(whole.context("accounting_ingest"))


def health(whole: Whole) -> dict[str, Any]:
    CheckHost(task_id="check", mta_host="mta-1").execute(whole.context("mta_health"))
    (row,) = whole.rows(s.mta_hosts)
    return row.health["checks"]


def test_odd_names_stop_neither_the_other_files_nor_the_health_of_their_host(whole: Whole) -> None:
    whole.mail(1, 30)
    whole.later()
    whole.lab.knob("rotate_accounting")
    for name in ODD:
        whole.lab.knob("put_accounting", file=name, text="type,timeLogged\r\n")
    whole.lab.knob("put_accounting", file="folder.csv", kind="directory")
    whole.lab.knob("put_accounting", file="link.csv", kind="link", text="/etc/passwd")
    done = ingest(whole)
    assert (done["odd"], done["refused"], done["records"] >= 30) == (8, 0, True)
    (alert,) = (a for a in whole.rows(s.alerts) if a.event == "accounting_folder")
    assert (alert.object, alert.cleared_at) == ("mta-1", None)
    assert "8 things" in alert.text
    seen = health(whole)
    assert seen["accounting"]["level"] == "good"
    assert "; not used: " in seen["accounting"]["told"]
    assert "and 3 more" in seen["accounting"]["told"]
    assert seen["clock"]["level"] == "good"

    for name in (*ODD, "folder.csv", "link.csv"):
        whole.lab.knob("put_accounting", file=name, kind="nothing")
    assert ingest(whole)["odd"] == 0
    (alert,) = (a for a in whole.rows(s.alerts) if a.event == "accounting_folder")
    assert alert.cleared_at is not None
    assert "not used" not in health(whole)["accounting"]["told"]


@pytest.mark.parametrize("name", ["", "a/b.csv", "..", "%00.csv", "x" * 256])
def test_the_lab_puts_nothing_outside_that_folder(whole: Whole, name: str) -> None:
    with pytest.raises(LabRefused, match="is no name that a file can have"):
        whole.lab.knob("put_accounting", file=name)

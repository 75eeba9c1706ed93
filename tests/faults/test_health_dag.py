"""The whole of `mta_health` and `brake_watch` through a host that is away: told once, no failed run, and braked by the run after it
is back."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag

from email_engine.paths import ROOT
from email_engine.store import schema as s
from email_engine.store.engine import Store
from lab.testing import RunningLab
from tests.whole_lab import prepare


def live(dag_id: str, at: datetime) -> dict[str, str]:
    """States of the run and its tasks."""
    bag = DagBag(ROOT / "dags" / f"{dag_id}.py", bundle_path=ROOT / "dags", bundle_name="dags-folder")
    assert bag.import_errors == {}
    run = bag.dags[dag_id].test(run_after=at)
    return {"run": run.state} | {ti.task_id: ti.state for ti in run.get_task_instances()}


def telegram(lab: RunningLab) -> str:
    messages: Any = lab.get("/telegram/messages")
    return "\n".join(message["text"] for message in messages)


@pytest.mark.filterwarnings("default")  # Airflow's own, from all that it imports for dag.test()
@pytest.mark.usefixtures("airflow_database")
def test_a_host_that_is_away_is_told_once_and_braked_when_it_is_back(
    lab: RunningLab, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EMAIL_ENGINE_CONFIG_HISTORY", str(tmp_path / "history"))
    whole = prepare(lab, store, engine_database_url, monkeypatch)
    whole.deploy()
    whole.mail(1, 200)
    whole.engage(1)
    lab.knob("telegram.clear_messages")
    lab.knob("down")
    try:
        at = whole.now
        for quarter in (0, 1):
            states = live("mta_health", at + timedelta(minutes=15 * quarter))
            assert (states["run"], states["check"]) == ("success", "success")
            states = live("brake_watch", at + timedelta(minutes=15 * quarter + 2))
            assert (states["run"], states["brake"]) == ("success", "success")
        said = telegram(lab)
        assert said.count("<b>mta-1 cannot be reached</b>") == 1
        assert said.count("1 stop on mta-1 not complete: 198.51.100.1 (aurora-1)") == 1
        assert whole.server(1)[2] == "disabled"
    finally:
        lab.knob("up")
    states = live("brake_watch", at + timedelta(minutes=32))
    assert (states["run"], states["publish"]) == ("success", "skipped")
    states = live("mta_health", at + timedelta(minutes=45))
    assert (states["run"], states["history"]) == ("success", "success")
    (brake,) = whole.rows(s.brakes)
    assert (brake.powermta_holds, brake.mailwizz_holds) == (True, True)
    assert [paused for _, paused in whole.queues(1).values()] == [True]
    said = telegram(lab)
    assert said.count("<b>mta-1 can be used again</b>") == 1
    assert "198.51.100.1 (aurora-1) stands still on mta-1" in said
    assert (tmp_path / "history" / "refs" / "tags" / "deployment-1").exists()

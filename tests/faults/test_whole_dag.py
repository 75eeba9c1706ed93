"""One whole DAG through a fault: it fails visibly, the half that can hold holds, people are told, the next run heals."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag

from email_engine.paths import ROOT
from email_engine.store import schema as s
from email_engine.store.engine import Store
from lab.testing import RunningLab
from tests.whole_lab import prepare


def sweep(at: datetime, confirm_after: int = 0) -> dict[str, str]:
    """States of the run and its tasks."""
    bag = DagBag(ROOT / "dags" / "rbl_sweep.py", bundle_path=ROOT / "dags", bundle_name="dags-folder")
    assert bag.import_errors == {}
    dag = bag.dags["rbl_sweep"]
    for task in dag.tasks:
        task.retries = 0
    run = dag.test(run_conf={"confirm_after": confirm_after, "lists": ["zen-lab", "bl-lab"]}, run_after=at)
    return {"run": run.state} | {ti.task_id: ti.state for ti in run.get_task_instances()}


@pytest.mark.filterwarnings("default")  # Airflow's own, from all that it imports for dag.test()
@pytest.mark.usefixtures("airflow_database")
def test_a_listed_ip_on_a_host_that_is_away_is_held_in_mailwizz_told_and_braked_by_the_next_sweep(
    lab: RunningLab, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare(lab, store, engine_database_url, monkeypatch)
    whole.deploy()
    lab.knob("telegram.clear_messages")
    lab.knob("list_ip", ip="198.51.100.2", zone="zen.lab.example")
    lab.knob("down")
    try:
        at = whole.now
        failed = sweep(at, confirm_after=3)
        assert failed["confirm"] == "success", "it was rescheduled until the second round was due"
        assert (failed["run"], failed["decide"], failed["brake"], failed["whole"]) == (
            "failed", "success", "failed", "upstream_failed",
        )  # fmt: skip
        assert (failed["publish"], failed["tell"]) == ("success", "success")
        assert failed["follow_up"] == "success", "asking for the cause waits for no host"
        followed = followed_listings()
        assert len(followed) == 1
        assert whole.server(2)[2] == "disabled"
        said = telegram(lab)
        assert said.count("mta-1 cannot be reached") == 1
        assert "1 stop on mta-1 not complete: 198.51.100.2 (aurora-2)" in said
        assert "198.51.100.2 on a block list and stopped" in said
        lab.knob("up")
        healed = sweep(at + timedelta(hours=4))
        assert (healed["run"], healed["brake"], healed["follow_up"]) == ("success", "success", "success")
        assert followed_listings() == followed, "one run a listing, while it waits in the queue too"
    finally:
        lab.knob("up")
        lab.knob("delist_ip", ip="198.51.100.2", zone="zen.lab.example")
    assert whole.disabled_sources() == ["198.51.100.2"]
    (brake,) = whole.rows(s.brakes)
    assert (brake.powermta_holds, brake.mailwizz_holds) == (True, True)
    assert "mta-1 can be used again" in telegram(lab)


def followed_listings() -> set[str]:
    """Ids of the runs of `delisting` that follow a listing, in Airflow's database, which other tests fill too."""
    from airflow.models.dagrun import DagRun

    return {run.run_id for run in DagRun.find(dag_id="delisting") if run.run_id.startswith("listing_")}


def telegram(lab: RunningLab) -> str:
    messages: Any = lab.get("/telegram/messages")
    return "\n".join(str(message["text"]) for message in messages)

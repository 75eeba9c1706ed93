"""dkim_rotate as Airflow runs it: a rotation begins, its steps are tasks, trouble in one keeps no other from its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag

from email_engine.paths import ROOT
from email_engine.store.engine import Store
from lab.testing import RunningLab
from tests.core.dkim.fakes import DOMAINS
from tests.dkim_bench import Bench, dkim_bench, fast_resolver
from tests.whole_lab import prepare, whole_lab

STEPS = ("ask", "make", "look", "sign", "retire", "remove", "remind")
pytestmark = [
    pytest.mark.filterwarnings("default"),  # Airflow's own, from all that it imports for dag.test()
    pytest.mark.usefixtures("airflow_database"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[RunningLab]:
    with whole_lab(tmp_path_factory.mktemp("dkim-dag"), postgres_url) as running:
        yield running


def run_dag(bench: Bench, **form: Any) -> dict[str, str]:
    """States of the run and its tasks."""
    bag = DagBag(ROOT / "dags" / "dkim_rotate.py", bundle_path=ROOT / "dags", bundle_name="dags-folder")
    assert bag.import_errors == {}
    dag = bag.dags["dkim_rotate"]
    for task in dag.tasks:
        task.retries = 0
    run = dag.test(run_conf=form, run_after=bench.whole.now)
    return {"run": run.state} | {ti.task_id: ti.state for ti in run.get_task_instances()}


def test_a_rotation_goes_through_the_dag(
    lab: RunningLab,
    store: Store,
    engine_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("EMAIL_ENGINE_CONFIG_HISTORY", str(tmp_path / "history"))
    whole = prepare(lab, store, engine_database_url, monkeypatch)
    whole.deploy()
    fast_resolver(monkeypatch, whole)
    with dkim_bench(whole) as bench:
        done = run_dag(bench, action="start", domain=DOMAINS[0], reason="half a year")
        assert {done[step] for step in STEPS} == {"success"}
        assert (done["run"], done["whole"], done["tell"], done["publish"]) == (
            "success",
            "success",
            "success",
            "skipped",
        )
        assert sorted(bench.stages().values()) == ["made", "signing"]
        assert sorted(bench.stages(DOMAINS[1]).values()) == ["signing"]

        bench.advance(hours=1)
        bench.publish_what_is_asked()
        lab.knob("down")
        try:
            failed = run_dag(bench, action="start", domain=DOMAINS[1])
        finally:
            lab.knob("up")
        assert (failed["ask"], failed["look"], failed["remind"], failed["tell"]) == (
            "failed",
            "success",
            "success",
            "success",
        )
        assert (failed["run"], failed["whole"]) == ("failed", "upstream_failed")
        assert sorted(bench.stages().values()) == ["seen", "signing"]

        bench.advance(hours=1)
        again = run_dag(bench, action="start", domain=DOMAINS[0])
        assert (again["run"], again["ask"], again["tell"]) == ("failed", "failed", "success")
        assert {again[step] for step in STEPS} == {"failed", "skipped"}, "one is on its way already"
        assert sorted(bench.stages().values()) == ["seen", "signing"]

        bench.advance(hours=1)
        refused = run_dag(bench, domain="nobody.example")
        assert (refused["run"], refused["tenants"]) == ("failed", "failed")
        assert not {"success", "failed"} & {refused[step] for step in STEPS}

"""What people read about deployments: a title in words, then why and what to do; nothing where nothing happened."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from email_engine.adapters.powermta import PowerMta
from email_engine.errors import InputError, NotVerified
from email_engine.pipelines.pmta_config_deploy import apply
from email_engine.store import schema
from email_engine.store.deployment import deployments
from email_engine.store.engine import Store
from email_engine.store.telling import alerts
from email_engine_airflow.operators.pmta_config_deploy import ListHosts
from lab.testing import RunningLab
from tests.integration.deploy_bench import FILE, Bench, deploy_lab, prepare, reset


class Killed(BaseException): ...


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with deploy_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def bench(lab: RunningLab, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
    reset(lab)
    return prepare(lab, store, engine_database_url, monkeypatch)


def told(bench: Bench) -> list[str]:
    with bench.db.session(tenant="*") as conn:
        return [alert.text for alert in alerts.pending(conn)]


def due(bench: Bench) -> bool:
    """Does the hourly run see something to catch up with?"""
    try:
        ListHosts(task_id="hosts").execute(bench.context(only_failed=True))
    except AirflowSkipException:
        return False
    return True


def test_a_first_configuration_is_told_by_its_size(bench: Bench) -> None:
    bench.deploy()
    assert told(bench) == ["mta-1: first configuration, 8 virtual MTAs, 2 pools"]


def test_a_change_is_told_with_its_counts_first(bench: Bench) -> None:
    bench.deploy()
    bench.allow(500, "aurora-1")
    bench.deploy()
    title, *details = told(bench)[-1].splitlines()
    assert title.startswith("mta-1: new configuration runs: 1 cap lowered")
    assert "vmta aurora-1: cap 1200/d -> 600/d" in details
    assert not due(bench)


def test_an_earlier_version_that_comes_back_is_told_as_such(bench: Bench) -> None:
    first = bench.deploy()
    bench.allow(2000)
    bench.deploy()
    bench.deploy(rollback_to=first["deployment"], reason="too fast")
    said = f"mta-1: the configuration of deployment {first['deployment']} is back: 6 caps lowered"
    assert told(bench)[-1].splitlines()[0] == said


def test_holds_alone_are_no_news(bench: Bench) -> None:
    bench.deploy()
    before = told(bench)
    bench.lab.knob("restart", host="mta-1")
    with bench.db.session(tenant="*") as conn:
        conn.execute(schema.ips.update().where(schema.ips.c.vmta_name == "aurora-4").values(status="resting"))
    assert bench.deploy()["status"] == "unchanged"
    assert told(bench) == before


def test_a_failure_that_is_mended_without_a_change_is_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.deploy()
    bench.allow(500)
    with monkeypatch.context() as patch:

        def fail(*_: Any, **__: Any) -> Any:
            raise NotVerified("mta-1", "not held", "held", "again")

        patch.setattr(apply, "settle", fail)
        with pytest.raises(NotVerified):
            bench.deploy()
    assert told(bench)[0].splitlines()[0] == "mta-1: a deployment could not be verified"
    assert due(bench)
    assert bench.deploy()["status"] == "unchanged"
    assert not due(bench)


def test_what_a_killed_run_deployed_is_told_by_who_finishes_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.deploy()
    bench.allow(500, "aurora-1")
    with monkeypatch.context() as patch:

        def die(*_: Any) -> Any:
            raise Killed

        patch.setattr(PowerMta, "test_config", die)
        with pytest.raises(Killed):
            bench.deploy()
    bench.plan()
    title, *_, last = told(bench)[-1].splitlines()
    assert title.startswith("mta-1: new configuration runs: 1 cap lowered")
    assert last == "Its run was interrupted; this one finished it."


def test_a_refusal_names_what_happened_then_powermtas_words_and_the_next_step(bench: Bench) -> None:
    bench.deploy()
    bench.allow(2000)
    bench.lab.knob("refuse_test_config", host="mta-1", text="no such thing")
    with pytest.raises(AirflowFailException):
        bench.deploy()
    title, *rest = told(bench)[0].splitlines()
    assert title == "mta-1: the deployment failed"
    assert "no such thing" in "\n".join(rest)
    assert rest[-1].startswith("Next: ")
    assert due(bench)


def test_a_question_is_no_failure_and_replaces_one(bench: Bench) -> None:
    bench.deploy()
    bench.lab.knob("command_missing", host="mta-1")
    with pytest.raises(AirflowFailException):
        bench.plan()
    assert told(bench)[0].splitlines()[0] == "mta-1: no configuration could be planned"
    assert due(bench)
    bench.lab.knob("command_missing", host="mta-1", on=False)
    path: Path = bench.root() / FILE
    path.write_text(bench.file() + "# by hand\n")
    assert bench.plan()["kind"] == "approval"
    text = next(one for one in told(bench) if "a change waits" in one)
    lines = text.splitlines()
    assert lines[0] == "mta-1: a change waits for a person"
    assert lines[-2].startswith("Read the difference, then approve or reject: http")
    assert not due(bench)


@pytest.mark.parametrize("number", [2**63, 10**40, -5, 0])
def test_an_id_that_no_database_holds_is_a_clear_refusal(bench: Bench, number: int) -> None:
    made = bench.deploy()["deployment"]
    with bench.db.session(tenant="*") as conn, pytest.raises(InputError) as caught:
        deployments.find(conn, number)
    assert f"near it: {made} (mta-1, verified)" in caught.value.allowed
    assert len(str(caught.value)) < 250


def test_an_unknown_id_names_those_near_it(bench: Bench) -> None:
    for messages in (500, 400, 300, 200):
        bench.allow(messages)
        bench.deploy()
    rows = [row["id"] for row in bench.rows()]
    with pytest.raises(
        AirflowFailException, match=rf"near it: {rows[-1]} \(mta-1, verified\), {rows[-2]} .*{rows[-3]}"
    ):
        ListHosts(task_id="hosts").execute(bench.context(rollback_to=rows[-1] + 7))

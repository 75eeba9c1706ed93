"""What every operator does before and after its own work."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Param
from airflow.sdk.api.datamodels._generated import DagRunType
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException, AirflowSkipException

from email_engine.errors import AccessDenied, GuardBreach, HostKeyChanged, InputError, Refused, Unreachable
from email_engine.fleet.mistakes import FleetInvalid
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store
from email_engine.store.telling import alerts, incidents
from email_engine_airflow.operators.base import EngineOperator
from tests.airflow_connections import engine_connection

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
MISTAKE = ("param name", "198.51.100.300", "an IP of the fleet", "trigger again")


class Step(EngineOperator):
    """Raises `error`, or says that it worked."""

    def __init__(self, error: Exception | None = None, **kwargs: Any) -> None:
        super().__init__(task_id="step", **kwargs)
        self.error = error

    def work(self, context: Any) -> str:
        if self.error is not None:
            raise self.error
        return "worked"


def context(conf: Any = None, run_type: str = "scheduled", ti: Any = None, **params: Any) -> dict[str, Any]:
    with DAG("pmta_config_deploy", params={"dry_run": Param(False), "host": Param(None)}) as dag:
        pass
    run = SimpleNamespace(
        conf=conf,
        dag_id="pmta_config_deploy",
        run_id="r",
        run_type=run_type,
        run_after=NOON,
        logical_date=None,
    )
    return {"dag": dag, "dag_run": run, "params": params, "ti": ti}


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({"dryrun": True}, "unknown key dryrun, did you mean dry_run?"),
        ({"Dry-Run": True}, "unknown key Dry-Run, did you mean dry_run?"),
        ({"hosts": "mta-1", "dry_run": True}, "unknown key hosts, did you mean host?"),
        ({"zzz": 1}, "unknown key zzz; expected the keys dry_run, host"),
        ({"x" * 5000: 1}, "unknown key " + "x" * 60 + ";"),
    ],
    ids=["no-underscore", "other-case", "one-of-two", "nothing-near", "giant"],
)
def test_a_key_that_the_dag_does_not_know_stops_the_run_before_any_work(conf: Any, said: str) -> None:
    with pytest.raises(AirflowFailException) as caught:
        Step().execute(context(conf))
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("conf", [None, {}, {"dry_run": False, "host": "mta-1"}])
def test_known_keys_pass(conf: Any) -> None:
    assert Step().execute(context(conf)) == "worked"


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("mistake", [InputError(*MISTAKE), GuardBreach(*MISTAKE)])
def test_a_mistake_fails_at_once_and_a_dry_run_shows_what_a_guard_refuses(
    mistake: Exception, dry_run: bool
) -> None:
    """A mistake that ends green is taken for a plan."""
    shown = dry_run and isinstance(mistake, GuardBreach)
    with pytest.raises(AirflowSkipException if shown else AirflowFailException, match=r"198\.51\.100\.300"):
        Step(error=mistake).execute(context(dry_run=dry_run))


def test_a_connection_that_is_missing_fails_at_once_with_the_next_step() -> None:
    missing = AirflowNotFoundException("The conn_id `powermta_mta-9` isn't defined")
    with pytest.raises(
        AirflowFailException, match=r"connection powermta_mta-9: it does not exist.*make it under"
    ):
        Step(error=missing).execute(context())


def test_what_may_be_gone_in_a_minute_is_left_to_the_retries() -> None:
    with pytest.raises(Unreachable):
        Step(error=Unreachable(*MISTAKE)).execute(context())


@pytest.fixture
def engine(store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    return store


def open_incidents(store: Store) -> list[tuple[str, str]]:
    with store.session(tenant="*") as conn:
        return [(incident.cause, incident.title) for incident in incidents.standing(conn)]


class HostStep(Step):
    """Works on a host."""

    mta_host = "mta-1"


AWAY = ("PowerMTA host pmta@192.0.2.1:22", "connection refused", "an SSH server", "see that sshd runs")


@pytest.mark.parametrize(
    ("step", "error", "cause", "title"),
    [
        (HostStep, Unreachable(*AWAY), "host mta-1", "mta-1 cannot be reached"),
        (HostStep, AccessDenied(*AWAY), "host mta-1", "mta-1 refuses the engine's login"),
        (HostStep, HostKeyChanged(*AWAY), "host mta-1", "mta-1 shows another host key than the pinned one"),
        (HostStep, Refused(*AWAY), "task pmta_config_deploy.step mta-1", "pmta_config_deploy failed for mta-1"),
        (Step, FleetInvalid("fleet.yaml", []), "fleet file", "The fleet file has mistakes; the fleet stays as it was"),
        (Step, AirflowNotFoundException("The conn_id `powermta_mta-9` isn't defined"), "connection powermta_mta-9",
         "Connection powermta_mta-9 does not work"),
        (HostStep, InputError(*AWAY).because_of("connection powermta_mta-1"), "connection powermta_mta-1",
         "Connection powermta_mta-1 does not work"),
        (Step, ZeroDivisionError("secret"), "task pmta_config_deploy.step", "pmta_config_deploy failed"),
    ],
    ids=["away", "login", "host key", "refused", "fleet file", "connection", "field", "a defect"],
)  # fmt: skip
def test_each_cause_is_an_incident_in_words(
    engine: Store, step: type[Step], error: Exception, cause: str, title: str
) -> None:
    for _ in range(2):
        with pytest.raises(Exception):  # noqa: B017, PT011 - what is raised is another test's
            step(error=error).execute(context())
    assert open_incidents(engine) == [(cause, title)]
    with engine.session(tenant="*") as conn:
        (alert,) = alerts.pending(conn)
    assert "secret" not in alert.text
    assert alert.text.startswith(f"{title}\nSeen: ")
    assert step().execute(context()) == "worked"
    assert open_incidents(engine) == []


def test_what_is_tried_again_is_no_incident_before_the_last_try(engine: Store) -> None:
    for number, known in ((1, []), (2, []), (3, [("host mta-1", "mta-1 cannot be reached")])):
        ti = SimpleNamespace(task_id="step", map_index=0, try_number=number, max_tries=2)
        with pytest.raises(Unreachable):
            HostStep(error=Unreachable(*AWAY)).execute(context(ti=ti))
        assert open_incidents(engine) == known


@pytest.mark.parametrize("manual", ["manual", DagRunType.MANUAL], ids=["text", "as Airflow gives it"])
def test_a_mistyped_form_is_answered_in_the_run_and_nobody_else_is_told(engine: Store, manual: str) -> None:
    with pytest.raises(AirflowFailException, match="expected an IP of the fleet"):
        Step(error=InputError(*MISTAKE)).execute(context(run_type=manual))
    with pytest.raises(AirflowFailException, match="unknown key dryrun"):
        Step().execute(context({"dryrun": True}, run_type=manual))
    assert open_incidents(engine) == []
    with engine.session(tenant="*") as conn:
        assert incidents.met_by(conn, "pmta_config_deploy", "r"), (
            "the net for killed tasks has nothing to add"
        )
        assert alerts.pending(conn) == ()
    with pytest.raises(AirflowFailException):
        Step(error=FleetInvalid("fleet.yaml", [])).execute(context(run_type=manual))
    assert open_incidents(engine), "the fleet file is everybody's"


def test_a_dry_run_tells_nobody_whatever_it_meets(engine: Store) -> None:
    with pytest.raises(Unreachable):
        HostStep(error=Unreachable(*AWAY)).execute(context(dry_run=True))
    assert open_incidents(engine) == []
    with engine.session(tenant="*") as conn:
        assert incidents.met_by(conn, "pmta_config_deploy", "r"), "nor does the net for killed tasks"


@pytest.mark.parametrize(
    "conf", [{"only_failed": True}, {"approval": 7}, {"approval": None, "host": "mta-1"}]
)
def test_keys_that_dags_hand_to_each_other_pass_without_being_in_the_form(conf: Any) -> None:
    assert Step().execute(context(conf)) == "worked"


def test_they_pass_in_their_own_dag_alone() -> None:
    with pytest.raises(AirflowFailException, match="unknown key hours"):
        Step().execute(context({"hours": 3}))


def run(**params: Any) -> Run:
    when = datetime(2026, 11, 2, tzinfo=UTC)
    return Run("pmta_config_deploy", "run-1", when, False, "ops", params)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("approval", value) for value in ("7", 0, -1, True, 1.0, 2**31, [7])),
        *(("only_failed", value) for value in ("false", 1, 0, [])),
        *(("hours", value) for value in ("12", 0, -1, 169, True, float("nan"), "z" * 10**6)),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_who_reads_it(key: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"key {key} of this run") as caught:
        run(**{key: value}).internal(key)
    assert len(str(caught.value)) < 300


def test_right_values_and_none_are_read() -> None:
    asked = run(approval=7, only_failed=False, hours=0.0002)
    assert [asked.internal(key) for key in ("approval", "only_failed", "hours")] == [7, False, 0.0002]
    assert run().internal("approval") is None


def test_who_caused_it_is_one_short_line() -> None:
    assert run(reason=" sold\nto X ").caused_by == "ops: sold to X"
    assert run(reason="  ").caused_by == "ops"
    assert len(run(reason="z" * 10**6).caused_by) < 310

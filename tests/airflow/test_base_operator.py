"""What every operator does before and after its own work."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException, AirflowSkipException

from email_engine.errors import GuardBreach, InputError, Unreachable
from email_engine_airflow.operators.base import EngineOperator

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


def context(conf: Any = None, **params: Any) -> dict[str, Any]:
    with DAG("pmta_config_deploy", params={"dry_run": Param(False), "host": Param(None)}) as dag:
        pass
    return {"dag": dag, "dag_run": SimpleNamespace(conf=conf), "params": params}


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


@pytest.mark.parametrize("mistake", [InputError(*MISTAKE), GuardBreach(*MISTAKE)])
def test_a_mistake_fails_at_once_and_a_dry_run_skips_with_it(mistake: Exception) -> None:
    with pytest.raises(AirflowFailException, match=r"198\.51\.100\.300"):
        Step(error=mistake).execute(context())
    with pytest.raises(AirflowSkipException, match=r"198\.51\.100\.300"):
        Step(error=mistake).execute(context(dry_run=True))


def test_a_connection_that_is_missing_fails_at_once_with_the_next_step() -> None:
    missing = AirflowNotFoundException("The conn_id `powermta_mta-9` isn't defined")
    with pytest.raises(
        AirflowFailException, match=r"connection powermta_mta-9: it does not exist.*make it under"
    ):
        Step(error=missing).execute(context())


def test_what_may_be_gone_in_a_minute_is_left_to_the_retries() -> None:
    with pytest.raises(Unreachable):
        Step(error=Unreachable(*MISTAKE)).execute(context())

"""What a form of `dkim_rotate` asks for is refused by its first step: no other does anything for it then."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from email_engine.errors import EngineError, InputError, Unreachable
from email_engine_airflow.operators.base import EngineOperator
from email_engine_airflow.operators.dkim_rotate import RotateKeys


def context(refused: bool, pushed: list[Any]) -> dict[str, Any]:
    run = SimpleNamespace(
        dag_id="dkim_rotate", run_id="r", run_after=datetime(2026, 11, 1, tzinfo=UTC), logical_date=None, run_type="manual"
    )  # fmt: skip
    ti = SimpleNamespace(
        task_id="make", map_index=0, xcom_pull=lambda task_ids, key, map_indexes: refused or None,
        xcom_push=lambda key, value: pushed.append((key, value)),
    )  # fmt: skip
    return {"dag_run": run, "params": {"action": "start", "dry_run": False}, "ti": ti}


@pytest.mark.parametrize(("step", "refused", "works"), [("make", True, False), ("sign", False, True)])
def test_a_refused_form_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, step: str, refused: bool, works: bool
) -> None:
    monkeypatch.setattr(EngineOperator, "work", lambda *_: {"did": step})
    task = RotateKeys(task_id=step, step=step, tenant="aurora")
    if works:
        assert task.work(context(refused, [])) == {"did": step}
        return
    with pytest.raises(AirflowSkipException, match="refused the form"):
        task.work(context(refused, []))


@pytest.mark.parametrize(
    ("error", "noted"),
    [(InputError("form", "x", "y", "z"), [("refused", True)]), (Unreachable("mta-1", "away", "y", "z"), [])],
    ids=["a mistake", "a host that is away"],
)
def test_only_a_mistake_of_the_form_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, error: EngineError, noted: list[Any]
) -> None:
    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(EngineOperator, "work", fails)
    pushed: list[Any] = []
    with pytest.raises(type(error)):
        RotateKeys(task_id="ask", step="ask", tenant="aurora").work(context(False, pushed))
    assert pushed == noted

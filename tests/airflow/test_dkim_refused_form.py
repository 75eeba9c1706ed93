"""What a form of `dkim_rotate` asks for is refused by its first step: no other does anything for it then."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from email_engine_airflow.operators.base import EngineOperator
from email_engine_airflow.operators.dkim_rotate import RotateKeys


def context(asked: dict[str, Any] | None, action: str) -> dict[str, Any]:
    run = SimpleNamespace(
        dag_id="dkim_rotate", run_id="r", run_after=datetime(2026, 11, 1, tzinfo=UTC), logical_date=None, run_type="manual"
    )  # fmt: skip
    ti = SimpleNamespace(task_id="make", map_index=0, xcom_pull=lambda task_ids, map_indexes: asked)
    return {"dag_run": run, "params": {"action": action, "dry_run": False}, "ti": ti}


@pytest.mark.parametrize(
    ("step", "action", "asked", "works"),
    [
        ("make", "start", None, False),
        ("sign", "back", None, False),
        ("make", "start", {"tenant": "aurora"}, True),
        ("make", "advance", None, True),
        ("ask", "start", None, True),
    ],
)
def test_a_refused_form_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, step: str, action: str, asked: dict[str, Any] | None, works: bool
) -> None:
    monkeypatch.setattr(EngineOperator, "work", lambda *_: {"did": step})
    task = RotateKeys(task_id=step, step=step, tenant="aurora")
    if works:
        assert task.work(context(asked, action)) == {"did": step}
        return
    with pytest.raises(AirflowSkipException, match="refused the form"):
        task.work(context(asked, action))

"""`dag.test()` at a test's pace: the DAG files go to Airflow's database once a session, and a look that finds nothing to start
is repeated at once."""

import json
import sys
import time
from typing import Any

import pytest

PAUSE = 0.02
LONGEST = 150
"""Seconds of one run. Airflow's own time-outs of tasks take the alarm away that would end a test."""


def quicken(patch: pytest.MonkeyPatch) -> None:
    """Until the patch is undone. What a DAG does in its run stays as it is."""
    _write_once(patch)
    _look_again_soon(patch)
    _trust_schemas(patch)


def _write_once(patch: pytest.MonkeyPatch) -> None:
    """Airflow parses and writes the whole bundle before each run, for files that change meanwhile; ours do not."""
    from airflow.dag_processing import dagbag

    parse, write = dagbag.BundleDagBag, dagbag.sync_bag_to_db
    written: set[str] = set()

    def parsed(**where: Any) -> Any:
        return None if where["bundle_name"] in written else parse(**where)

    def written_down(bag: Any, bundle_name: str, version: str | None) -> None:
        if bag is not None:
            write(bag, bundle_name, version)
            written.add(bundle_name)

    patch.setattr(dagbag, "BundleDagBag", parsed)
    patch.setattr(dagbag, "sync_bag_to_db", written_down)


def _trust_schemas(patch: pytest.MonkeyPatch) -> None:
    """Airflow checks the schema of every param against the schema of schemas each time that it reads the param, several times a task."""
    from jsonschema import Draft202012Validator

    check = Draft202012Validator.check_schema
    right: set[str] = set()

    def checked(schema: Any, *more: Any, **options: Any) -> None:
        told = json.dumps(schema, sort_keys=True, default=str)
        if told not in right:
            check(schema, *more, **options)
            right.add(told)

    patch.setattr(Draft202012Validator, "check_schema", checked)


def _look_again_soon(patch: pytest.MonkeyPatch) -> None:
    """Airflow waits a second whenever it marked tasks as skipped or failed and so started none; for ever, if a task waits for a
    time that does not come."""
    from airflow.sdk import DAG

    sleep, looks = time.sleep, DAG.test.__code__
    since: dict[int, tuple[Any, float]] = {}  # by run; the run is kept, so that nothing else gets its id

    def briefly(seconds: float) -> None:
        looking = sys._getframe(1)
        if looking.f_code is not looks:
            sleep(seconds)
            return
        run = looking.f_locals["dr"]
        _, began = since.setdefault(id(run), (run, time.monotonic()))
        if time.monotonic() - began > LONGEST:
            raise AssertionError(f"run {run.run_id} has not ended for {LONGEST} s")
        sleep(PAUSE)

    patch.setattr(time, "sleep", briefly)

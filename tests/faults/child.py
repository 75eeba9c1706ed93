"""Runs one operator in a process of its own, to be killed: `python -m tests.faults.child JSON`."""

import json
import sys
import time
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def stand_still(method: str, call: int, mark: str) -> None:
    """The n-th call of a method of `PowerMta` never gets to work; the file `mark` says that it was reached."""
    from email_engine.adapters.powermta import PowerMta

    real, calls = getattr(PowerMta, method), []

    def counted(self: PowerMta, *args: Any, **kwargs: Any) -> Any:
        calls.append(method)
        if len(calls) == call:
            Path(mark).touch()
            time.sleep(600)
        return real(self, *args, **kwargs)

    setattr(PowerMta, method, counted)


def main() -> None:
    asked = json.loads(sys.argv[1])
    if "stand_still" in asked:
        stand_still(*asked["stand_still"])
    module, _, name = asked["operator"].partition(":")
    operator = getattr(import_module(module), name)(task_id="work", **asked["arguments"])
    run_after = datetime.fromisoformat(asked["run_after"])
    run = SimpleNamespace(
        dag_id=asked["dag_id"], run_id=asked["run_id"], run_after=run_after, logical_date=None
    )
    operator.execute({"dag_run": run, "params": {"dry_run": False}, "outlet_events": {}})


if __name__ == "__main__":
    main()

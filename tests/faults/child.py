"""Runs one operator in a process of its own, to be killed: `python -m tests.faults.child JSON`."""

import json
import sys
from datetime import datetime
from importlib import import_module
from types import SimpleNamespace


def main() -> None:
    asked = json.loads(sys.argv[1])
    module, _, name = asked["operator"].partition(":")
    operator = getattr(import_module(module), name)(task_id="work", **asked["arguments"])
    run_after = datetime.fromisoformat(asked["run_after"])
    run = SimpleNamespace(
        dag_id=asked["dag_id"], run_id=asked["run_id"], run_after=run_after, logical_date=None
    )
    operator.execute({"dag_run": run, "params": {"dry_run": False}, "outlet_events": {}})


if __name__ == "__main__":
    main()

"""What tasks need is there before they are forked."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import email_engine_airflow
from email_engine_airflow import preload

PACKAGE = Path(next(iter(email_engine_airflow.__path__)))


def imported_at_work() -> set[str]:
    """Modules that functions of the provider import when they run."""
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.ImportFrom) and node.module:
                        found.add(node.module)
    return found


def test_a_task_finds_every_module_that_it_asks_for() -> None:
    script = (
        "import json, sys; from email_engine_airflow import preload; failed = preload.preload();"
        "print(json.dumps([failed, sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    failed, there = json.loads(done.stdout.splitlines()[-1])
    assert failed == []
    wanted = imported_at_work()
    assert {"email_engine.pipelines.warmup_advance", "email_engine_airflow.hooks.engine_db"} <= wanted
    assert sorted(wanted - set(there)) == []


@pytest.mark.parametrize(("command", "times"), [("scheduler", 1), ("api-server", 0), ("triggerer", 0)])
def test_it_is_the_scheduler_that_does_it_and_once(
    command: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    monkeypatch.setattr(preload, "_done", [])
    monkeypatch.setattr(preload, "preload", lambda: done.append(1))
    monkeypatch.setattr(sys, "argv", ["airflow", command])
    preload.on_starting(component=None)
    preload.on_starting(component=None)
    assert len(done) == times


def test_a_module_that_breaks_does_not_keep_the_scheduler_from_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preload, "names", lambda: iter(["email_engine.plural", "email_engine.not_there"]))
    assert preload.preload() == ["email_engine.not_there"]

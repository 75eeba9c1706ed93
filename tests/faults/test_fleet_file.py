"""A broken fleet.yaml: one error with every mistake and its place, the inventory as it was, the mended file applied."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from email_engine.errors import InputError
from email_engine.paths import CONFIG
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.telling import incidents
from email_engine_airflow.operators.fleet import SyncFleet
from tests.airflow_connections import engine_connection
from tests.faults.evidence import everything, failure
from tests.postgres_fixtures import PASSWORD

EXAMPLE = (CONFIG / "fleet.yaml").read_text()


def replaced(*changes: tuple[str, str]) -> Callable[[Path], Any]:
    text = EXAMPLE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return lambda path: path.write_text(text)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


BROKEN: dict[str, tuple[Callable[[Path], Any], tuple[str, ...]]] = {
    "syntax error": (lambda path: path.write_text("tenants:\n  - name: aurora\n   mode: act\n"), ("fleet.yaml:3",)),
    "tab": (lambda path: path.write_text("tenants:\n\t- name: aurora\n"), ("fleet.yaml:2",)),
    "cut off": (lambda path: path.write_text(EXAMPLE[: len(EXAMPLE) // 2] + '\n  name: "aur'), ("fleet.yaml:",)),
    "semantic mistakes, all of them": (
        replaced(("mode: act", "mode: fast"), ("risk_class: standard", "risk_class: stndard"), ("schedule: six_week", "schedule: never")),
        ("'fast'", "'stndard'", "did you mean 'standard'", "'never'", "fleet.yaml:"),
    ),
    "missing": (lambda path: path.unlink(), ("fleet.yaml: No such file or directory",)),
    "empty": (lambda path: path.write_text(""), ("fleet.yaml",)),
    "only comments": (lambda path: path.write_text("# nothing yet\n"), ("fleet.yaml",)),
    "a folder": (folder, ("fleet.yaml: Is a directory",)),
    "a list": (lambda path: path.write_text("- aurora\n"), ("fleet.yaml:1",)),
    "not text": (lambda path: path.write_bytes(b"\xff\xfe\x00tenants"), ("fleet.yaml", "UTF-8")),
    "control characters": (lambda path: path.write_text("tenants: \x00\n"), ("fleet.yaml",)),
    "aliases that explode": (
        lambda path: path.write_text("a: &a [x, x]\nb: &b [*a, *a]\ntenants: [*b, *b]\n"), ("fleet.yaml",)
    ),
}  # fmt: skip


def sync() -> dict[str, Any]:
    run = SimpleNamespace(
        dag_id="warmup_advance",
        run_id="run-1",
        run_after=datetime(2026, 11, 1, tzinfo=UTC),
        logical_date=None,
    )
    done: dict[str, Any] = SyncFleet(task_id="fleet").execute({"dag_run": run, "params": {"dry_run": False}})
    return done


@pytest.fixture
def file(tmp_path: Path, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "fleet.yaml"
    path.write_text(EXAMPLE)
    monkeypatch.setenv("EMAIL_ENGINE_FLEET", str(path))
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    return path


def test_every_broken_file_is_one_clear_error_that_changes_nothing_and_heals(
    store: Store, file: Path, caplog: pytest.LogCaptureFixture, subtests: pytest.Subtests
) -> None:
    caplog.set_level(logging.DEBUG)
    sync()
    before = everything(store, s.alerts, s.incidents)
    for name, (break_it, says) in BROKEN.items():
        with subtests.test(name):
            break_it(file)
            error = failure(sync, [PASSWORD], lambda: caplog.text)
            assert isinstance(error, InputError)
            assert "fleet.yaml" in error.subject
            for words in says:
                assert words in str(error)
            assert everything(store, s.alerts, s.incidents) == before
            if file.is_dir():
                file.rmdir()
            file.write_text(EXAMPLE)
            with store.session(tenant="*") as conn:
                assert [incident.cause for incident in incidents.standing(conn)] == ["fleet file"]
            assert sync()["changed"] is False
            with store.session(tenant="*") as conn:
                assert incidents.standing(conn) == ()
            assert everything(store, s.alerts, s.incidents) == before


def test_a_mended_file_with_news_is_applied_by_the_next_run(store: Store, file: Path) -> None:
    file.write_text("")
    failure(sync, [PASSWORD])
    file.write_text(EXAMPLE)
    assert sync()["changed"]
    assert len(everything(store)["email_engine.ips"]) == 100

"""What the commands print and how they end, also where the reader goes away."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from email_engine.errors import InputError
from email_engine.paths import ROOT
from stack import databases, shown
from stack.airflow import COMPONENTS
from stack.chosen_ports import PORTS
from stack.postgres import Cluster
from stack.settings import Settings


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    made = Settings(state=tmp_path / "state", ports=dict(PORTS))
    made.logs.mkdir(parents=True)
    return made


def through(here: Settings, *words: str, reader: str = "head -1") -> tuple[int, str, str]:
    """Exit status of the command itself, what the reader got, and stderr."""
    script = f'"$0" -m stack "$@" | {reader}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", script, sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"EMAIL_ENGINE_STATE": str(here.state)},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_logs_may_be_cut_by_their_reader(here: Settings) -> None:
    (here.logs / "scheduler.log").write_text(("x" * 20_000 + "\n") * 40)  # more than a pipe holds
    status, told, errors = through(here, "logs")
    assert (status, errors) == (0, "")
    assert told == f"==> {here.logs / 'scheduler.log'} <==\n"


@pytest.mark.parametrize("command", ["status", "logs"])
def test_a_reader_that_is_gone_before_we_speak_is_no_error(here: Settings, command: str) -> None:
    status, told, errors = through(here, command, reader="true")
    assert (told, errors) == ("", "")
    assert status in ((1,) if command == "status" else (0, 1))


def test_a_log_that_was_just_begun_anew_shows_the_end_of_the_one_before(
    here: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    (here.logs / "lab.log").write_text("new\n")
    (here.logs / "lab.log.1").write_text("older\nold\n")
    assert shown.logs(here, "lab", lines=2) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["old", "new"]


def test_an_unknown_log_ends_with_1_and_names_those_that_there_are(
    here: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    (here.logs / "lab.log").write_text("")
    assert shown.logs(here, "labb") == 1
    assert "no log named labb" in capsys.readouterr().out


def test_nothing_that_runs_is_down(here: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown.status(here) == 1
    assert capsys.readouterr().out == "down. Next: make up\n"
    assert shown.sql(here, "SELECT 1") == 1
    assert capsys.readouterr().err == "PostgreSQL is down. Next: make up\n"


@pytest.fixture(scope="module")
def with_decisions(tmp_path_factory: pytest.TempPathFactory):
    here = Settings(state=tmp_path_factory.mktemp("shown"), ports=dict(PORTS))
    cluster = Cluster(here.state / "postgres", durable=False)
    cluster.start()
    try:
        databases.ensure_database(cluster, "email_engine", here.secrets()["engine_db"])
        address = databases.database_url(cluster, "email_engine", here.secrets()["engine_db"])
        with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("CREATE SCHEMA email_engine")
            connection.execute(
                "CREATE TABLE email_engine.decisions (id int GENERATED ALWAYS AS IDENTITY, dag_id text, run_id text, "
                "subject text, action text, reason text)"
            )
            rows = [("before", f"198.51.100.{n}", "stay", "of another run") for n in range(3)]
            rows += [
                ("newest", f"198.51.100.{n}", "stay", f"Its rates hold, so {n} of 10000 a day\nare dealt to it " + "x" * 300)
                for n in range(90)
            ]  # fmt: skip
            rows.append(("newest", "203.0.113.7", "pause", "Half of its mail bounced at gmail \\ {0}"))
            for row in rows:
                connection.execute(
                    "INSERT INTO email_engine.decisions (dag_id, run_id, subject, action, reason) "
                    "VALUES ('warmup_advance', %s, %s, %s, %s)", row
                )  # fmt: skip
        yield here
    finally:
        cluster.remove()


def test_a_run_s_decisions_fit_a_terminal_and_the_rare_ones_stand_first(
    with_decisions: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    assert shown.decisions(with_decisions, None) == 0
    told = capfd.readouterr().out
    assert "of another run" not in told
    assert max(map(len, told.splitlines())) <= 80
    first, second = (line.split("|") for line in told.splitlines() if line[:4].strip().isdigit())
    assert [cell.strip() for cell in first[:3]] == ["1", "203.0.113.7", "pause"]
    assert [cell.strip() for cell in second[:3]] == ["90", "198.51.100.0", "stay"]
    assert first[3].strip() == "Half of its mail bounced at gmail \\ {0}"
    assert second[3].strip().startswith("Its rates hold, so 0 of 10000 a day are")


def test_a_query_may_be_cut_by_its_reader_and_a_wrong_one_is_not_well(with_decisions: Settings) -> None:
    status, told, errors = through(with_decisions, "sql", "SELECT generate_series(1, 200000) AS n")
    assert (status, errors) == (0, "")
    assert told.strip() == "n"
    assert through(with_decisions, "sql", "SELECT oops")[0] == 1


@pytest.mark.parametrize("dag", ["x'; DROP TABLE decisions; --", "Warmup", "a" * 99, "{dag}"])
def test_what_is_no_pipeline_reaches_no_database(here: Settings, dag: str) -> None:
    with pytest.raises(InputError):
        shown.decisions(here, dag)


def test_no_part_of_airflow_opens_a_log_server() -> None:
    for name in ("scheduler", "triggerer"):
        assert "--skip-serve-logs" in COMPONENTS[name], f"the log server of {name} listens on all interfaces"

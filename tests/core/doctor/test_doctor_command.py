"""`email-engine doctor` where Airflow is not installed, or nothing is there at all."""

import json
import sys
from pathlib import Path

import pytest

from email_engine.cli import main
from email_engine.paths import CONFIG


@pytest.fixture
def without_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "email_engine_airflow.doctor", None)
    monkeypatch.delenv("EMAIL_ENGINE_DATABASE_URL", raising=False)


@pytest.mark.usefixtures("without_airflow")
def test_it_says_what_it_could_not_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--fleet", str(CONFIG / "fleet.yaml"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    states = {check["subject"]: (check["state"], check["next_step"]) for check in told["checks"]}
    assert states["fleet file"] == ("ok", "")
    assert states["Airflow"][0] == "not seen"
    assert "where Airflow runs" in states["Airflow"][1]
    assert states["engine database"][0] == "wrong"
    assert told["ok"] is False


@pytest.mark.usefixtures("without_airflow")
@pytest.mark.parametrize(
    ("text", "seen"), [("tenants: [", "mistake"), (None, "No such file")], ids=["broken", "missing"]
)
def test_a_fleet_file_that_is_wrong_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, seen: str
) -> None:
    path = tmp_path / "fleet.yaml"
    if text is not None:
        path.write_text(text)
    url = "postgresql://user:hunter2secret@127.0.0.1:1/none"
    assert main(["doctor", "--fleet", str(path), "--database-url", url, "--timeout", "20"]) == 1
    out = capsys.readouterr().out
    assert f"wrong     fleet file: {path.name if text else path}" in out
    assert seen in out
    assert "engine database" in out
    assert "hunter2secret" not in out


def test_a_wrong_option_is_usage() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "--timeout", "soon"])
    assert caught.value.code == 2

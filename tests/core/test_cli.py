"""The command `email-engine`, as people and scripts call it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from email_engine.cli import COMMANDS, main

EXAMPLE = Path(__file__).resolve().parents[2] / "include/config/fleet.yaml"
HEADER = "type,timeLogged,rcpt,bounceCat,dlvSourceIp,vmta\r\n"
ROW = "b,2026-11-01 10:15:00+0000,a@gmail.com,bad-mailbox,198.51.100.1,aurora-1\r\n"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.yaml"
    path.write_text(EXAMPLE.read_text().replace("mode: act", "mode: fast"))
    return path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_right_file_checks_with_0_and_says_what_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "fleet", "check", EXAMPLE)
    assert (code, err) == (0, "")
    assert out.startswith("fleet.yaml is right: 2 tenants, 2 streams")
    assert "aurora (act): 50 IPs on mta-1, mta-2; new ones start as: 3 standby, 7 warming, 40 active" in out


def test_a_broken_file_checks_with_1_and_every_line(capsys: pytest.CaptureFixture[str], broken: Path) -> None:
    code, out, err = run(capsys, "fleet", "check", broken)
    assert (code, err) == (1, "")
    assert out.count("broken.yaml:") == 2
    code, out, _ = run(capsys, "fleet", "check", broken, "--json")
    found = json.loads(out)
    assert (code, found["valid"]) == (1, False)
    assert [m["path"] for m in found["mistakes"]] == ["tenants[0].mode", "tenants[1].mode"]


@pytest.mark.parametrize("action", ["plan", "apply", "export"])
def test_elsewhere_a_broken_file_is_an_input_error(
    capsys: pytest.CaptureFixture[str], broken: Path, action: str
) -> None:
    code, out, err = run(capsys, "fleet", action, broken)
    assert (code, out) == (2, "")
    assert err.startswith("broken.yaml has 2 mistakes:")


def test_a_missing_file_is_an_input_error_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "fleet", "check", "/nowhere/fleet.yaml")
    assert code == 2
    assert err == (
        "/nowhere/fleet.yaml: No such file or directory; expected a readable fleet file. "
        "Next: check the path and its permissions\n"
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (None, 'export EMAIL_ENGINE_DATABASE_URL="$(make -s url)"'),
        ("not a url", "the address is no URL"),
        ("mysql://x/y", "a URL for mysql"),
    ],
)
def test_a_database_that_is_not_named_is_an_input_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, url: str | None, said: str
) -> None:
    monkeypatch.delenv("EMAIL_ENGINE_DATABASE_URL", raising=False)
    if url:
        monkeypatch.setenv("EMAIL_ENGINE_DATABASE_URL", url)
    code, _, err = run(capsys, "fleet", "plan", EXAMPLE)
    assert code == 2
    assert said in err


def test_plan_then_apply_then_nothing_to_do(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    engine_database_url: str,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("EMAIL_ENGINE_DATABASE_URL", engine_database_url)
    code, out, _ = run(capsys, "fleet", "plan", EXAMPLE)
    assert code == 1
    assert out.startswith("Plan: 108 to create.")
    assert "+ IP 198.51.100.1 (aurora/newsletter, aurora-1 on mta-1, active)" in out
    assert run(capsys, "fleet", "apply", EXAMPLE)[:2][0] == 0
    assert run(capsys, "fleet", "plan", EXAMPLE)[0] == 0
    assert json.loads(run(capsys, "fleet", "apply", EXAMPLE, "--json")[1])["changed"] is False
    small = tmp_path / "small.yaml"
    small.write_text(
        EXAMPLE.read_text()
        .replace("count: 50", "count: 20")
        .replace("{ active: 1-40, warming: 41-47, standby: 48-50 }", "{}")
    )
    code, out, _ = run(capsys, "fleet", "plan", small)
    assert code == 1
    assert "Refused as it stands: fleet plan: 60 of 100 IPs would be removed" in out
    code, _, err = run(capsys, "fleet", "apply", small)
    assert code == 2
    assert "at most 30 at once" in err
    assert run(capsys, "fleet", "apply", small, "--force")[0] == 0


def test_export_gives_every_ip_as_text_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(run(capsys, "fleet", "export", EXAMPLE)[1].splitlines()) == 100
    found = json.loads(run(capsys, "fleet", "export", EXAMPLE, "--json")[1])
    assert found["ips"][0]["address"] == "198.51.100.1"
    assert found["tenants"][0]["mode"] == "act"


def test_ingest_sums_files_and_exits_1_when_rows_were_unreadable(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(HEADER + ROW * 2, newline="")
    bad.write_text(HEADER + ROW + "x\r\n", newline="")
    code, out, _ = run(capsys, "ingest", good)
    assert code == 0
    assert out.splitlines()[-1].split() == ["198.51.100.1", "gmail", "2", "0", "2", "0", "0"]
    code, out, _ = run(capsys, "ingest", good, bad, "--json")
    found = json.loads(out)
    assert code == 1
    assert found["sources"]["198.51.100.1"]["gmail"]["bounce_categories"] == {"bad-mailbox": 3}
    assert found["files"][1]["rejected"] == [{"line": 3, "reason": "1 fields, the header has 6"}]
    (tmp_path / "none.csv").write_text("hello\n")
    code, _, err = run(capsys, "ingest", tmp_path / "none.csv")
    assert code == 2
    assert "none.csv: no column type" in err


def test_ingest_tells_how_much_of_the_replies_is_known_and_the_most_frequent_of_the_rest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    row = "b,2026-11-01 10:15:00+0000,ann@gmail.com,198.51.100.1,"
    known, new = f"{row}5.1.1,smtp;550 5.1.1 gone\r\n", f"{row}5.7.1,smtp;550 5.7.1 ann: zut 20261101\r\n"
    for name in ("a.csv", "b.csv"):
        text = new * (1 + (name == "b.csv")) + known * 3
        text = f"type,timeLogged,rcpt,dlvSourceIp,dsnStatus,dsnDiag\r\n{text}"
        (tmp_path / name).write_text(text, newline="")
    code, out, _ = run(capsys, "ingest", tmp_path / "a.csv", tmp_path / "b.csv", "--json")
    replies = json.loads(out)["replies"]
    assert (code, replies["failures"], replies["known"], round(replies["coverage"], 3)) == (0, 9, 6, 0.667)
    (told,) = replies["unknown_texts"]
    assert (told["text"], told["count"], told["meaning"]) == ("5.7.1 smtp;550 5.7.1 #: zut #", 3, "unknown")
    assert told["example"] == "smtp;550 5.7.1 <recipient>: zut 20261101"
    _, out, _ = run(capsys, "ingest", tmp_path / "b.csv")
    assert (
        "replies: the lexicon knows 60.0% of 5 bounces and deferrals\n  2 unknown: gmail bounce 5.7.1" in out
    )


@pytest.mark.parametrize("words", [[], ["nonsense"], ["fleet"], ["fleet", "nonsense"], ["ingest"]])
def test_wrong_usage_exits_2(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage: email-engine" in capsys.readouterr().err


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert command in capsys.readouterr().out


def test_the_installed_command_tells_its_version_without_loading_any_command() -> None:
    code = (
        "import sys; from email_engine.cli import main\ntry: main(['--version'])\nexcept SystemExit: pass\n"
    )
    code += "print([m for m in sys.modules if m.startswith(('sqlalchemy', 'yaml', 'airflow', 'email_engine.commands'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0].startswith("email-engine 0.")
    assert done.stdout.splitlines()[1] == "[]"

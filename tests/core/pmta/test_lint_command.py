"""`email-engine lint`: files, exit codes, text and JSON."""

import json
from pathlib import Path

import pytest

from email_engine.cli import main
from email_engine.commands import configurations
from email_engine.pmta.lint.rule import MAIN

WARNING = "<domain *>\n  max-smtp-out 0\n</domain>\n"
ERROR = "<domain *>\n  max-msg-rate 1/hour\n</domain>\n"
FINE = "<domain *>\n  max-msg-rate 1/h\n</domain>\n"
VMTA = "<virtual-mta v1>\n  smtp-source-host 192.0.2.1 m.example.com\n{}</virtual-mta>\n"
POOL = "<virtual-mta-pool p>\n  virtual-mta v1\n</virtual-mta-pool>\n"
SIGNED = VMTA.format(
    "  domain-key s1,example.com,/etc/pmta/s1.pem\n  <domain *>\n    dkim-sign yes\n  </domain>\n"
)


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    try:
        code = main(["lint", *map(str, words)])
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "words", "code"),
    [
        (FINE, [], 0),
        (FINE, ["--strict"], 0),
        (WARNING, [], 0),
        (WARNING, ["--strict"], 1),
        (ERROR, [], 1),
        ("<domain *>\n  use-dane yes\n</domain>\n", ["--version", "4.5"], 1),
        ("<domain *>\n  use-dane yes\n</domain>\n", ["--version", "5.0"], 0),
        ("<domain *>\n  use-mta-sts yes\n</domain>\n", ["--version", "5.0r1"], 1),
        ("<domain *>\n  use-mta-sts yes\n</domain>\n", ["--version", "5.5"], 0),
        (VMTA.format("") + POOL, ["--host-ip", "192.0.2.1"], 0),
        (VMTA.format("") + POOL, ["--host-ip", "192.0.2.2", "--host-ip", "2001:db8::1"], 1),
    ],
)
def test_the_exit_code_says_what_was_found(
    capsys: pytest.CaptureFixture[str], folder: Path, text: str, words: list[str], code: int
) -> None:
    (folder / "a.conf").write_text(text)
    assert run(capsys, "a.conf", *words)[0] == code


@pytest.fixture
def many(folder: Path) -> str:
    """A pattern list that is missing, named by 53 domains; another mistake between them."""
    domains = [f"<domain d{n}.example>\n  smtp-pattern-list gone\n</domain>\n" for n in range(53)]
    (folder / "a.conf").write_text("".join(domains[:20]) + ERROR + "".join(domains[20:]))
    return "a.conf"


def test_one_cause_on_many_lines_is_told_once_with_their_number(
    capsys: pytest.CaptureFixture[str], many: str
) -> None:
    code, out, _ = run(capsys, many)
    told = [line for line in out.splitlines() if "`gone`" in line]
    (first,) = [line for line in told if line.startswith("a.conf:")]
    assert first.startswith("a.conf:2: ")
    assert "    and 52 more lines: 5, 8, 11, 14, 17, 20, 23, 26, ..." in out.splitlines()
    assert "a.conf:62: error" in out, "what is something else stays by itself"
    assert out.splitlines()[-1] == "1 error, 1 warning on 53 lines, 0 infos"
    assert code == 1


def test_json_keeps_each_line_of_one_cause(capsys: pytest.CaptureFixture[str], many: str) -> None:
    _, out, _ = run(capsys, many, "--json")
    value = json.loads(out)
    lines = [one["line"] for one in value["findings"] if "gone" in one["message"]]
    assert len(lines) == len(set(lines)) == 53


def test_lines_of_another_file_are_named_with_it(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    for name in ("a.conf", "b.conf"):
        (folder / name).write_text("<domain x.example>\n  smtp-pattern-list gone\n</domain>\n")
    _, out, _ = run(capsys, "a.conf", "b.conf")
    assert "    and 1 more line: b.conf:2" in out.splitlines()


def test_text_has_place_severity_code_message_and_remedy_and_ends_with_counts(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "a.conf").write_text(ERROR + WARNING)
    _, out, err = run(capsys, "a.conf")
    lines = out.splitlines()
    assert err == ""
    assert lines[0].startswith("a.conf:2: error PM214 `max-msg-rate 1/hour`: allowed is a unit of /d")
    assert lines[1].startswith("    write for example 500/d")
    assert lines[-1] == "1 error, 1 warning, 1 info"


def test_a_clean_file_says_so(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "a.conf").write_text(FINE)
    assert run(capsys, "a.conf") == (0, "a.conf: nothing found\n", "")


def test_json_has_findings_and_counts(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "a.conf").write_text(ERROR)
    code, out, _ = run(capsys, "a.conf", "--json")
    value = json.loads(out)
    assert (code, set(value), value["errors"], value["warnings"]) == (
        1,
        {"findings", "causes", "errors", "warnings"},
        1,
        0,
    )
    (finding,) = value["findings"]
    assert set(finding) == {"file", "line", "severity", "code", "message", "remedy"}
    assert (finding["file"], finding["line"], finding["severity"], finding["code"]) == (
        "a.conf",
        2,
        "error",
        "PM214",
    )
    (cause,) = value["causes"]
    assert (cause["code"], cause["count"], cause["places"]) == ("PM214", 1, ["a.conf:2"])


class TestUnreadable:
    @pytest.mark.parametrize(
        "words",
        [
            ["missing.conf"],
            ["."],
            [""],
            [],
            ["/dev/null"],
            ["a.conf", "--version", "five"],
            ["a.conf", "--host-ip", "many"],
            ["a.conf", "--root", "nowhere"],
        ],
    )
    def test_is_a_clear_error_and_exit_2(
        self, capsys: pytest.CaptureFixture[str], folder: Path, words: list[str]
    ) -> None:
        (folder / "a.conf").write_text(FINE)
        code, out, err = run(capsys, *words)
        assert (code, out) == (2, "")
        assert "Traceback" not in err
        assert err

    def test_a_file_that_is_too_large(
        self, capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(configurations, "LARGEST", 1000)
        (folder / "a.conf").write_text(FINE * 100)
        code, _, err = run(capsys, "a.conf")
        assert code == 2
        assert "at most" in err

    @pytest.mark.parametrize(
        ("data", "found"),
        [
            (b"postmaster m\xfcller@example.com\n", "1: error PM101"),
            (b"# M\xfcller\n" + FINE.encode(), "1: warning PM101"),
            ("# Müller\n".encode() + FINE.encode(), "nothing found"),
            (b"postmaster ops\x01@example.com\n", "1: error PM102"),
        ],
    )
    def test_bytes_that_are_no_text_are_findings(
        self, capsys: pytest.CaptureFixture[str], folder: Path, data: bytes, found: str
    ) -> None:
        (folder / "a.conf").write_bytes(data)
        _, out, err = run(capsys, "a.conf")
        assert found in out
        assert err == ""

    @pytest.mark.parametrize("data", [FINE.encode("utf-16"), b"\0" * 1000, bytes(range(256)) * 200])
    def test_binary_data_is_refused_or_found_but_never_a_traceback(
        self, capsys: pytest.CaptureFixture[str], folder: Path, data: bytes
    ) -> None:
        (folder / "a.conf").write_bytes(data)
        code, out, err = run(capsys, "a.conf")
        assert code in (1, 2)
        assert "PM10" in out or "NUL" in err

    def test_nested_without_end_is_no_traceback(
        self, capsys: pytest.CaptureFixture[str], folder: Path
    ) -> None:
        (folder / "a.conf").write_text("<pattern-list a>\n" + "mail-from /x/ <pattern-list>\n" * 5000)
        code, _, err = run(capsys, "a.conf")
        assert code in (1, 2)
        assert "Traceback" not in err


class TestSeveralFiles:
    def test_are_configurations_of_their_own(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        (folder / "a.conf").write_text(VMTA.format("") + POOL)
        (folder / "b.conf").write_text(VMTA.format("") + POOL)
        assert run(capsys, "a.conf", "b.conf")[:2] == (0, "a.conf, b.conf: nothing found\n")

    def test_one_that_another_includes_is_read_in_its_place_once(
        self, capsys: pytest.CaptureFixture[str], folder: Path
    ) -> None:
        (folder / "sub").mkdir()
        (folder / "main.conf").write_text(MAIN + "include sub/*.conf\n" + POOL)
        (folder / "sub" / "v.conf").write_text(VMTA.format("  max-smtp-out ten\n"))
        code, out, _ = run(capsys, "sub/v.conf", "main.conf", "--json")
        findings = json.loads(out)["findings"]
        assert code == 1
        assert [(f["file"], f["line"], f["code"]) for f in findings] == [("sub/v.conf", 3, "PM217")]

    def test_two_that_include_each_other_are_still_read(
        self, capsys: pytest.CaptureFixture[str], folder: Path
    ) -> None:
        (folder / "a.conf").write_text("include b.conf\n")
        (folder / "b.conf").write_text("include a.conf\n")
        code, out, _ = run(capsys, "a.conf", "b.conf")
        assert code == 1
        assert "PM335" in out


class TestFilesOfTheHost:
    def test_below_root_keys_and_includes_are_looked_up(
        self, capsys: pytest.CaptureFixture[str], folder: Path
    ) -> None:
        keys = folder / "host" / "etc" / "pmta"
        keys.mkdir(parents=True)
        (keys / "v.conf").write_text(SIGNED)
        (folder / "config").write_text(MAIN + "include /etc/pmta/v.conf\n" + POOL)
        code, out, _ = run(capsys, "config", "--root", "host")
        assert code == 1
        assert "host/etc/pmta/v.conf:3: error PM704 /etc/pmta/s1.pem does not exist" in out
        (keys / "s1.pem").write_text("key")
        assert run(capsys, "config", "--root", "host")[:2] == (0, "config: nothing found\n")

    def test_without_root_a_directory_that_is_not_here_is_an_info(
        self, capsys: pytest.CaptureFixture[str], folder: Path
    ) -> None:
        (folder / "config").write_text(SIGNED.replace("/etc/pmta", "/no/such/directory") + POOL)
        code, out, _ = run(capsys, "config")
        assert code == 0
        assert "info PM708" in out

    def test_without_root_a_key_that_is_missing_here_is_an_error(
        self, capsys: pytest.CaptureFixture[str], folder: Path
    ) -> None:
        (folder / "config").write_text(SIGNED.replace("/etc/pmta", str(folder)) + POOL)
        assert run(capsys, "config")[0] == 1
        (folder / "s1.pem").write_text("key")
        assert run(capsys, "config")[0] == 0

    def test_includes_are_relative_to_the_including_file(
        self, capsys: pytest.CaptureFixture[str], folder: Path
    ) -> None:
        (folder / "sub").mkdir()
        (folder / "config").write_text(POOL + "include sub/a.conf\n")
        (folder / "sub" / "a.conf").write_text("include b.conf\n")
        (folder / "sub" / "b.conf").write_text(VMTA.format(""))
        assert run(capsys, "config")[:2] == (0, "config: nothing found\n")

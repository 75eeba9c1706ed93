"""`email-engine import`, as a person at a terminal meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from email_engine.cli import main
from email_engine.fleet.read import read_fleet
from tests.core.adoption.drafts import filled
from tests.core.adoption.test_adopt import BASIC

TUTORIAL = """
# PowerMTA for MailWizz in ten minutes
host-name SRV1.bigsender.example
http-access 0/0 admin
http-api-key abcdefghijklmnopqrstuvwxyz0123456789hunter2
domain-key default,*,/etc/pmta/default.key
smtp-listener 0.0.0.0:2525 {
  process-x-sender yes
}
<smtp-user mailwizz>
    password hunter2
    source {pmta-auth}
</smtp-user>
<source {pmta-auth}>
    always-allow-relaying yes
    require-auth true
    process-x-virtual-mta yes
    default-virtual-mta-pool mta-pool
</source>
<source 127.0.0.1>
    always-allow-relaying yes
    process-x-virtual-mta yes
</source>
<virtual-mta mta1>
    smtp-source-host 192.0.2.1 mta1.bigsender.example
    domain-key dkim,bigsender.example,/etc/pmta/bigsender.key
    <domain *>
        max-cold-virtual-mta-msg 50/day
        max-msg-rate 1000/hour
        dkim-sign yes
    </domain>
</virtual-mta>
<virtual-mta mta2>
    smtp-source-host 192.0.2.2 mta2.bigsender.example
    domain-key dkim,bigsender.example,/etc/pmta/bigsender.key
    max-smtp-msg-rate 500/d
</virtual-mta>
<virtual-mta MTA3>
    smtp-source-host mta3.bigsender.example 192.0.2.3
</virtual-mta>
<virtual-mta-pool mta-pool>
    virtual-mta mta1 weight 100
    virtual-mta mta2 weight 0
    virtual-mta mta3
</virtual-mta-pool>
<domain gmail.com yahoo.com>
  max-smtp-out 10
</domain>
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text(BASIC)
    return path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["import", *(str(word) for word in words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_draft_goes_to_stdout_and_the_rest_to_stderr(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    code, out, err = run(capsys, config, "--tenant", "big")
    assert code == 0
    assert err.startswith(
        "1 IP of 1 virtual MTA and 1 pool, in 1 stream; 6 blanks still FILL IN (version: 1, daily_quota: 1, purpose: 1, "
        "consent: 1, risk_class: 1, mailwizz_server_id: 1), 0 things not understood"
    )
    draft = tmp_path / "fleet.yaml"
    draft.write_text(out)
    assert main(["fleet", "check", str(draft)]) == 1
    draft.write_text(filled(out))
    assert main(["fleet", "check", str(draft)]) == 0


def test_host_connection_and_tenant_are_named_by_options(
    capsys: pytest.CaptureFixture[str], config: Path
) -> None:
    options = ("--host", "mta-9", "--connection", "pmta_nine", "--tenant", "big")
    _, out, _ = run(capsys, config, *options)
    assert "- name: mta-9\n    connection: pmta_nine #" in out
    assert "- name: mw-big\n    tenant: big\n" in out
    assert "host: mta-9" in out


def test_a_tutorials_configuration_comes_aboard_with_a_list_of_its_mistakes(
    capsys: pytest.CaptureFixture[str], config: Path
) -> None:
    config.write_text(TUTORIAL)
    code, out, err = run(capsys, config, "--tenant", "big")
    assert code == 1
    assert "hunter2" not in out + err
    assert out.count("- address: ") == 2
    for text in (
        "config:6: domain-key default,*,/etc/pmta/default.key",
        "config:8: process-x-sender ...: is no directive of PowerMTA",
        "config:18: default-virtual-mta-pool ...: is no directive of PowerMTA. To do: write `default-virtual-mta NAME`",
        "mta1: max-cold-virtual-mta-msg in <domain *>: is no cap",
        "bigsender.example: sending domain of mta1, mta2",
        "config:39: smtp-source-host mta3.bigsender.example 192.0.2.3",
        "virtual-mta mta1 weight 100 (and 1 more like it)",
        "<virtual-mta-pool mta-pool> virtual-mta mta3: MTA3 in another case, and taken for it",
        "<domain gmail.com>: <domain> takes",
    ):
        assert text in err
    config.with_name("fleet.yaml").write_text(filled(out))
    fleet = read_fleet(config.with_name("fleet.yaml"))
    assert {ip.vmta for ip in fleet.ips} == {"mta1", "mta2"}


def test_json_holds_the_draft_and_the_list(capsys: pytest.CaptureFixture[str], config: Path) -> None:
    config.write_text(TUTORIAL)
    code, out, err = run(capsys, config, "--tenant", "big", "--json")
    value = json.loads(out)
    assert (code, err) == (1, "")
    assert value["fleet"].startswith("# A draft")
    assert (value["vmtas"], value["ips"], value["pools"], value["streams"]) == (3, 2, 1, 1)
    assert all(
        {"file", "line", "text", "why", "what_to_do", "more"} == gap.keys() for gap in value["not_understood"]
    )
    assert [kept["text"] for kept in value["kept"]] == ["<source {pmta-auth}>", "<smtp-user mailwizz>"]
    assert "hunter2" not in out


def test_a_file_for_the_draft_is_never_overwritten(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    draft = tmp_path / "fleet.yaml"
    code, out, _ = run(capsys, config, "--tenant", "big", "--output", draft)
    assert (code, out) == (
        0,
        "1 IP of 1 virtual MTA and 1 pool, in 1 stream; 6 blanks still FILL IN (version: 1, daily_quota: 1, purpose: 1, "
        "consent: 1, risk_class: 1, mailwizz_server_id: 1), 0 things not understood\n",
    )
    before = draft.read_text()
    code, out, err = run(capsys, config, "--tenant", "other", "--output", draft)
    assert (code, out) == (2, "")
    assert "is there already" in err
    assert draft.read_text() == before
    assert run(capsys, config, "--output", tmp_path / "no" / "fleet.yaml")[0] == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [("--host", "MTA 1"), ("--tenant", "a.b"), ("--tenant", "{x}"), ("--connection", "a b")],
)
def test_wrong_names_are_input_errors(
    capsys: pytest.CaptureFixture[str], config: Path, option: str, value: str
) -> None:
    code, out, err = run(capsys, config, option, value)
    assert (code, out) == (2, "")
    assert err.startswith(f"{option}: ")


def test_a_missing_file_is_an_input_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "/nowhere/config")
    assert (code, out) == (2, "")
    assert err.startswith("/nowhere/config: cannot be read")


def test_includes_are_followed_and_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "etc/pmta/vmtas").mkdir(parents=True)
    main_file = tmp_path / "etc/pmta/config"
    main_file.write_text(
        "include /etc/pmta/vmtas/*.conf\ninclude pools.conf\ninclude gone.conf\ninclude config\n"
    )
    for n in (1, 2):
        text = (
            f"<virtual-mta v-{n}>\n  smtp-source-host 192.0.2.{n} m{n}.example.com\n  weird\n</virtual-mta>\n"
        )
        (tmp_path / f"etc/pmta/vmtas/{n}.conf").write_text(text)
    (tmp_path / "etc/pmta/pools.conf").write_text(
        "<virtual-mta-pool p>\nvirtual-mta v-1\nvirtual-mta v-2\n</virtual-mta-pool>"
    )
    code, out, _ = run(capsys, main_file, "--root", tmp_path, "--json")
    value = json.loads(out)
    assert (code, value["ips"], value["pools"]) == (1, 2, 1)
    told = [(Path(gap["file"]).name, gap["line"], gap["text"]) for gap in value["not_understood"]]
    assert sorted(told) == [
        ("1.conf", 3, "weird"),
        ("config", 3, "include gone.conf"),
        ("config", 4, "include config"),
    ]


def test_it_runs_as_a_program(config: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "email_engine.cli", "import", config],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout[:9]) == (0, "# A draft")

"""`email-engine fleet onboard`: shown first, written when asked, and once."""

import csv
import json
from pathlib import Path

import pytest

from email_engine import paths
from email_engine.cli import main
from email_engine.fleet.read import read_fleet

FORM = [
    "--tenant", "aurora", "--stream", "newsletter", "--range", "45.10.0.1-4", "--hostname", "mail{n}.aurora-mail.example",
    "--domain", "{prefix}{n}.aurora-mail.example", "--prefixes", "news,info", "--vmta", "aurora-{n}", "--mx", "bounces.aurora-mail.example",
]  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    text = (paths.CONFIG / "fleet.yaml").read_text()
    made = tmp_path / "fleet.yaml"
    made.write_text(
        text.replace(
            "  - name: mta-2\n", "  - name: mta-3\n    connection: powermta_mta-3\n  - name: mta-2\n"
        )
    )
    return made


def test_the_plan_alone_writes_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = file.read_text()
    assert main(["fleet", "onboard", str(file), *FORM]) == 1
    told = capsys.readouterr().out
    assert "4 IPs for aurora/newsletter, 45.10.0.1 to 45.10.0.4:" in told
    assert "45.10.0.1  mail51.aurora-mail.example  news51.aurora-mail.example  aurora-51    mta-3" in told
    assert "On the hosts: 4 more on mta-3." in told
    assert (file.read_text(), list(file.parent.iterdir())) == (before, [file])


def test_apply_writes_the_file_and_what_a_person_carries_elsewhere(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fleet", "onboard", str(file), *FORM, "--apply", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert [ip["vmta"] for ip in made["ips"]] == ["aurora-51", "aurora-52", "aurora-53", "aurora-54"]
    assert len(read_fleet(file).ips) == 104
    folder = Path(made["folder"])
    with (folder / "delivery-servers.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["additional_header"] for row in rows] == [f"x-virtual-mta: aurora-{n}" for n in range(51, 55)]
    assert {(row["daily_quota"], row["hourly_quota"]) for row in rows} == {("1", "1")}
    assert "aurora-mail.example.zone" in {path.name for path in (folder / "zones").iterdir()}
    text = file.read_text()
    assert main(["fleet", "onboard", str(file), *FORM, "--apply"]) == 0
    assert "nothing is added twice" in capsys.readouterr().out
    assert file.read_text() == text


def test_the_example_that_ships_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    example = paths.CONFIG / "fleet.yaml"
    before = example.read_bytes()
    assert main(["fleet", "onboard", str(example), *FORM, "--apply"]) == 2
    assert "nobody's fleet" in capsys.readouterr().err
    assert example.read_bytes() == before


def test_a_mistake_is_exit_2_with_the_next_step(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = [*FORM[:5], "45.10.0.9-2", *FORM[6:]]
    assert main(["fleet", "onboard", str(file), *wrong]) == 2
    assert "does not follow" in capsys.readouterr().err

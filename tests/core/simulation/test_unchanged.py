"""Moving the house changes no decision. The digests in `before/digests.json` were made on the code before the move, with copies of
its example fleet and policy; `python -m tests.core.simulation.test_unchanged` makes them again for a change that is meant."""

import contextlib
import hashlib
import io
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from email_engine.cli import main
from email_engine.fleet.parse import parse_fleet
from email_engine.simulation.run import simulate
from email_engine.simulation.scenario_file import load_scenario
from email_engine.warmup.policy_file import parse_policy

BEFORE = Path(__file__).parent / "before"
FLEET, POLICY, DIGESTS = BEFORE / "fleet.yaml", BEFORE / "policy.yaml", BEFORE / "digests.json"
SCENARIOS = ("mixed", "turning", "provider", "list")
SEEDS = (1,)
DAYS = 50
START = datetime(2026, 11, 1, tzinfo=UTC)


def simulated(scenario: str, seed: int) -> Iterator[str]:
    fleet = parse_fleet(FLEET.read_text(), FLEET.name)
    policy = parse_policy(POLICY.read_text(), POLICY.name)
    for day in simulate(fleet, policy, load_scenario(scenario), DAYS, seed):
        yield f"{day.day} {day.address} {day.state} {day.stage} {day.allowance} {day.action} {day.counts.sent}"


def replayed(folder: Path) -> Iterator[str]:
    """Four weeks of ten IPs: good, bounced, blocked and silent ones."""
    dice = random.Random(7)
    rows = ["type,timeLogged,rcpt,bounceCat,dsnDiag,dlvSourceIp,vmta"]
    for day in range(28):
        for number in range(38, 48):
            bad = 0.3 if number == 40 and day > 8 else 0.01
            for _ in range(0 if number == 43 and day > 12 else 60):
                at = START + timedelta(days=day, seconds=dice.randrange(86_400))
                host = dice.choice(("gmail.com", "yahoo.com", "outlook.com", "web.de"))
                draw = dice.random()
                kind, category, text = (
                    ("b", "bad-mailbox", "550 5.1.1 user unknown") if draw < bad else ("d", "", "")
                )
                if number == 45 and day > 15 and host == "outlook.com":
                    kind, category, text = "b", "policy-related", "550 5.7.1 refused, block list (S3140)"
                rows.append(
                    f"{kind},{at:%Y-%m-%d %H:%M:%S+0000},a{dice.randrange(9999)}@{host},{category},{text.replace(',', ';')},"
                    f"198.51.100.{number},aurora-{number}"
                )  # fmt: skip
    file = folder / "acct.csv"
    file.write_text("\r\n".join([*rows, ""]))
    for line in printed("replay", str(file), "--fleet", str(FLEET), "--policy", str(POLICY), "--json"):
        day = json.loads(line)
        yield " ".join(
            str(day[key]) for key in ("date", "ip", "state", "stage", "allowance", "sent", "action", "paces")
        )


def printed(*command: str) -> list[str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main(list(command))
    return out.getvalue().splitlines()


def rendered(host: str) -> list[str]:
    return printed("render", "--fleet", str(FLEET), "--host", host)


def digest(lines: Iterator[str] | list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def known() -> dict[str, str]:
    return dict(json.loads(DIGESTS.read_text()))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_simulation_decides_as_before(scenario: str, seed: int) -> None:
    assert digest(simulated(scenario, seed)) == known()[f"simulate {scenario} {seed}"]


def test_a_replay_decides_as_before(tmp_path: Path) -> None:
    lines = list(replayed(tmp_path))
    assert {line.split()[6] for line in lines} >= {"advance", "pause", "hold"}, "too little happens"
    assert digest(lines) == known()["replay"]


@pytest.mark.parametrize("host", ["mta-1", "mta-2"])
def test_a_configuration_is_rendered_as_before(host: str) -> None:
    assert digest(rendered(host)) == known()[f"render {host}"]


if __name__ == "__main__":
    made = {f"simulate {name} {seed}": digest(simulated(name, seed)) for name in SCENARIOS for seed in SEEDS}
    made |= {"replay": digest(replayed(BEFORE))} | {
        f"render {h}": digest(rendered(h)) for h in ("mta-1", "mta-2")
    }
    (BEFORE / "acct.csv").unlink()
    DIGESTS.write_text(json.dumps(made, indent=2) + "\n")

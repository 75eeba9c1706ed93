"""What a deployment keeps of others' work, how early it holds what must stand still, and what an old release lacks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dulwich.repo import Repo

from email_engine.adapters.powermta import PowerMta
from email_engine.decision import Origin
from email_engine.store import schema
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips
from email_engine.store.stops import brakes
from lab.testing import RunningLab
from tests.integration.deploy_bench import AS_OF, FILE, Bench, deploy_lab, prepare, reset

OWN = "# tuned by Ann\nrelay-domain fbl.example\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with deploy_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def bench(lab: RunningLab, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
    reset(lab)
    return prepare(lab, store, engine_database_url, monkeypatch)


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMAIL_ENGINE_CONFIG_HISTORY", str(tmp_path / "history"))
    return tmp_path / "history"


def kept(history: Path) -> list[str]:
    """Every text of the host's file in the repository, oldest first."""
    if not history.exists():
        return []
    with Repo(str(history)) as repo:
        commits = [entry.commit for entry in repo.get_walker()]
        names = [
            repo[commit.tree].lookup_path(repo.__getitem__, b"mta-1/email-engine.conf")[1]
            for commit in commits
        ]
        return [repo[name].data.decode() for name in reversed(names)]


def write_by_hand(bench: Bench, text: str) -> None:
    (bench.root() / FILE).write_text(text)


def test_what_stood_there_first_is_kept(bench: Bench, history: Path) -> None:
    write_by_hand(bench, OWN + "http-api-key 0123456789abcdef0123456789abcdef\n")
    bench.deploy(accept_breach=True, reason="first deployment")
    assert kept(history) == [OWN + "http-api-key (hidden)\n"]


def test_a_hand_edit_that_a_person_gave_up_is_kept(bench: Bench, history: Path) -> None:
    bench.deploy()
    edited = bench.file() + OWN
    write_by_hand(bench, edited)
    bench.allow(500)
    bench.deploy(accept_breach=True, reason="Ann's line goes")
    assert OWN not in bench.file()
    assert kept(history)[-1] == edited


def test_the_engines_own_version_is_not_taken_for_a_hand_edit(bench: Bench, history: Path) -> None:
    bench.deploy()
    before = kept(history)
    bench.allow(500)
    bench.deploy()
    assert kept(history) == before


def test_a_history_that_cannot_be_written_stops_no_deployment(bench: Bench, history: Path) -> None:
    history.write_text("not a folder")
    write_by_hand(bench, OWN)
    assert bench.deploy(accept_breach=True, reason="first")["status"] == "verified"


def test_what_must_stand_still_is_held_before_anything_is_read_back(
    bench: Bench, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.lab.knob("pause_survives_reload", host="mta-1", on=False)
    bench.lab.knob("disabled_source_survives_reload", host="mta-1", on=False)
    bench.deploy()
    bench.allow(500)
    seen: list[set[str]] = []
    settings = PowerMta.vmta_settings

    def look(self: PowerMta, name: str) -> dict[str, Any]:
        seen.append({one["queue"] for one in bench.host()["disabled_sources"]})
        return settings(self, name)

    monkeypatch.setattr(PowerMta, "vmta_settings", look)
    bench.deploy()
    bench.lab.knob("disabled_source_survives_reload", host="mta-1", on=True)
    assert seen
    assert seen[0] == {"*/aurora-4", "*/borealis-4"}


def test_a_release_without_a_test_of_its_own_is_tested_by_its_reload(bench: Bench, history: Path) -> None:
    bench.lab.knob("version", host="mta-1", version="4.5r13")
    try:
        hosts = schema.mta_hosts
        bench.change(hosts, hosts.c.name == "mta-1", version="4.5")
        assert bench.deploy()["status"] == "verified"
        assert bench.running()["vmtas"]["aurora-1"]["max_smtp_msg_rate"] == "1200/d"
        good = bench.file()
        bench.lab.knob("fail_reload", host="mta-1", times=1)
        bench.allow(500)
        with pytest.raises(Exception, match="reload"):
            bench.deploy()
        assert bench.file() == good
    finally:
        bench.lab.knob("version", host="mta-1", version="5.0r5")


@pytest.mark.parametrize(
    ("seconds", "asked"), [(5, False), (3600, True)], ids=["while it read", "long before"]
)
def test_a_brake_let_go_while_a_deployment_read_explains_the_higher_cap(
    bench: Bench, history: Path, seconds: int, asked: bool
) -> None:
    bench.deploy()
    with bench.db.session(tenant="*") as conn:
        ip = next(ip for ip in load_ips(conn, day=AS_OF.date()) if ip.vmta == "aurora-1")
        brakes.engage(conn, ip, "a mistake", Origin("ann", datetime.now(UTC), "emergency_stop", "run"), None)
    bench.deploy()
    assert "1/d" in bench.file()
    last = bench.rows()[-1]["started_at"]
    bench.change(
        schema.brakes, schema.brakes.c.released_at.is_(None), released_at=last - timedelta(seconds=seconds)
    )
    assert (bench.plan()["kind"] == "approval") is asked

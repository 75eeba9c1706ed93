"""A domain that moves to another host gets its key there; what stands under the name of a new key is never touched."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from email_engine.adapters.powermta_keys import KeyStands, new_key
from email_engine.errors import NotVerified, Unreachable
from email_engine.pipelines.dkim_rotate.make import Made, make_keys
from email_engine.pipelines.run import Run
from email_engine.store import dkim_keys
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine_airflow.clients import airflow_clients
from lab.testing import RunningLab
from tests.integration.deploy_bench import Bench, deploy_lab, prepare

MOVED = "news1.aurora-mail.example"
PATH = "etc/pmta/dkim/aurora-1.pem"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with deploy_lab(tmp_path_factory.mktemp("move"), hosts=2) as running:
        yield running


@pytest.fixture
def bench(
    lab: RunningLab, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    made = prepare(lab, store, engine_database_url, monkeypatch)
    for host in ("mta-1", "mta-2"):
        for file in (made.root(host) / "etc/pmta/dkim").iterdir():
            file.unlink()
    yield made
    lab.knob("up", host="mta-1")


def make(bench: Bench, run_id: str = "run") -> Made:
    run = Run("dkim_rotate", run_id, datetime.now(UTC), False, "ops", {})
    return make_keys(bench.db, airflow_clients(), "aurora", run)


def move(bench: Bench, host: str = "mta-2") -> None:
    bench.change(s.ips, s.ips.c.vmta_name == "aurora-1", mta_host=host)


def key_of(bench: Bench) -> dkim_keys.SigningKey:
    with bench.db.session(tenant="*") as conn:
        return dkim_keys.load(conn, domain=MOVED)[-1]


def file(bench: Bench, host: str) -> Path:
    return bench.root(host) / PATH


def test_the_new_host_gets_the_same_key(bench: Bench) -> None:
    assert make(bench).made == 8
    move(bench)
    done = make(bench)
    assert (done.carried, done.made, done.failed) == (1, 0, {})
    assert file(bench, "mta-2").read_bytes() == file(bench, "mta-1").read_bytes()
    assert key_of(bench).hosts == ("mta-1", "mta-2")
    assert make(bench).carried == 0


def test_another_key_there_is_told_and_left(bench: Bench) -> None:
    make(bench)
    move(bench)
    pem = new_key()
    file(bench, "mta-2").write_bytes(pem)
    done = make(bench)
    assert isinstance(done.failed[MOVED], NotVerified)
    assert file(bench, "mta-2").read_bytes() == pem
    assert key_of(bench).hosts == ("mta-1",)


def test_a_host_that_is_away_costs_its_own_domains_alone_and_the_next_run_goes_on(bench: Bench) -> None:
    bench.lab.knob("down", host="mta-1")
    done = make(bench)
    assert (done.made, len(done.failed)) == (4, 4)
    assert all(isinstance(error, Unreachable) for error in done.failed.values())
    bench.lab.knob("up", host="mta-1")
    again = make(bench)
    assert (again.made, again.failed) == (4, {})


def test_a_foreign_file_under_the_name_of_a_new_key_is_never_touched(bench: Bench) -> None:
    make(bench)
    bench.change(s.dkim_keys, s.dkim_keys.c.domain == MOVED, stage="overlap")
    with bench.db.session(tenant="*") as conn:
        known = dkim_keys.load(conn, domain=MOVED)[0]
        origin = Run("dkim_rotate", "r", datetime.now(UTC), False, "ops", {}).origin
        dkim_keys.add(conn, "aurora", MOVED, "s202611", "/etc/pmta/dkim/new.pem", origin)
        conn.execute(update(s.dkim_keys).where(s.dkim_keys.c.id == known.id).values(stage="signing"))
    foreign = bench.root("mta-1") / "etc/pmta/dkim/new.pem"
    pem = new_key()
    foreign.write_bytes(pem)
    for _ in range(2):
        assert isinstance(make(bench).failed[MOVED], KeyStands)
    assert foreign.read_bytes() == pem
    assert key_of(bench).stage == "making"
    foreign.unlink()
    assert make(bench).failed == {}
    assert key_of(bench).stage == "made"

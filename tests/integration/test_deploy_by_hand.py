"""One host deployed by a plain call, without Airflow and its connections, over real SSH to the lab's PowerMTA."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from email_engine.adapters.powermta import PowerMta, PowerMtaEndpoint
from email_engine.errors import GuardBreach, InputError, Refused, Unreachable
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.pmta_config_deploy.apply import Deployed
from email_engine.pipelines.pmta_config_deploy.deploy import deploy
from email_engine.pipelines.run import Run
from email_engine.pmta.config.layout import digest
from email_engine.store import schema
from email_engine.store.engine import Store
from email_engine.store.hosts.lock import Busy, host_lock
from lab.testing import RunningLab
from tests.fleet_rows import add_host
from tests.integration.deploy_bench import AS_OF, FILE, Bench, deploy_lab, prepare, reset

HELD = {"*/aurora-4", "*/borealis-4"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with deploy_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def bench(lab: RunningLab, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
    reset(lab)
    made = prepare(lab, store, engine_database_url, monkeypatch)
    for name in ("AIRFLOW_CONN_EMAIL_ENGINE_DB", "AIRFLOW_CONN_POWERMTA_MTA-1"):
        monkeypatch.delenv(name)
    return made


def clients(bench: Bench) -> Clients:
    """As a file of connections would give them: the host's own, and no other."""
    host = bench.lab.world["powermta"][0]
    key = Path(host["host_key_file"] + ".pub").read_text().strip()
    endpoint = PowerMtaEndpoint(
        "127.0.0.1", host["ssh_port"], "pmta", key, bench.lab.client_key_file.read_text()
    )

    def mta(name: str) -> PowerMta:
        assert name == "powermta_mta-1"
        return PowerMta(endpoint)

    def none(*_: Any) -> Any:
        raise AssertionError("a deployment needs no other system")

    return Clients(
        mta=mta, mailwizz_db=none, mailwizz_api=none, resolver=none, blocklist_keys=none, telegram=none
    )


def by_hand(bench: Bench, host: str = "mta-1", *, dry_run: bool = False, **params: Any) -> Deployed:
    run = Run("email-engine deploy", f"by hand {len(bench.rows())}", AS_OF, dry_run, "ann", params)
    return deploy(bench.db, clients(bench), host, run)


def take_away(bench: Bench) -> None:
    """A change that the guard stops: a virtual MTA disappears."""
    bench.change(schema.ips, schema.ips.c.vmta_name == "aurora-1", removed=True)


def test_it_is_verified_held_told_and_recorded_as_a_dags_deployment_is(bench: Bench) -> None:
    done = by_hand(bench, reason="first of all")
    assert (done.status, done.held, done.watch) == ("verified", 2, False)
    assert done.digest == digest(bench.file()) == bench.running()["digest"]
    assert {source["queue"] for source in bench.host()["disabled_sources"]} == HELD
    (row,) = bench.rows()
    assert (row["id"], row["status"], row["caused_by"]) == (done.deployment, "verified", "ann: first of all")
    assert (row["dag_id"], row["baseline"]) == ("email-engine deploy", None)
    assert [(event, state) for event, _, state in bench.told()] == [
        ("deployment", f"verified {done.digest[:12]}")
    ]


def test_a_second_time_there_is_nothing_to_do(bench: Bench) -> None:
    first = by_hand(bench)
    again = by_hand(bench)
    assert (again.status, again.deployment, again.digest) == ("unchanged", None, first.digest)
    assert len(bench.rows()) == 1


def test_what_somebody_let_go_is_held_again_without_a_deployment(bench: Bench) -> None:
    by_hand(bench)
    with clients(bench).mta("powermta_mta-1") as mta:
        mta.pmta("enable", "source", "198.51.100.4", "*/aurora-4")
    done = by_hand(bench)
    assert (done.status, done.deployment, done.held, len(bench.rows())) == ("unchanged", None, 2, 1)
    assert {source["queue"] for source in bench.host()["disabled_sources"]} == HELD


def test_a_dry_run_changes_and_tells_nothing(bench: Bench) -> None:
    before = bench.file()
    done = by_hand(bench, dry_run=True)
    assert (done.status, done.deployment) == ("planned", None)
    assert "2 virtual MTAs to hold" in done.summary
    assert (bench.file(), bench.rows(), bench.told()) == (before, [], [])


class TestGuard:
    def test_what_it_objects_to_is_refused_and_nobody_is_asked(self, bench: Bench) -> None:
        by_hand(bench)
        good, told = bench.file(), bench.told()
        take_away(bench)
        bench.allow(500, "aurora-2")
        with pytest.raises(GuardBreach, match=r"1 virtual MTA \(aurora-1\) would disappear") as caught:
            by_hand(bench)
        assert "`accept_breach` and a reason" in caught.value.next_step
        assert bench.file() == good
        assert (len(bench.rows()), bench.approvals(), bench.told()) == (1, [], told)

    def test_a_person_who_accepts_it_with_a_reason_goes_ahead(self, bench: Bench) -> None:
        by_hand(bench)
        take_away(bench)
        assert by_hand(bench, accept_breach=True, reason="customer left").status == "verified"
        assert "aurora-1" not in bench.running()["vmtas"]
        assert bench.rows()[-1]["caused_by"] == "ann: customer left"

    def test_its_objection_is_not_accepted_without_a_reason(self, bench: Bench) -> None:
        by_hand(bench)
        take_away(bench)
        with pytest.raises(InputError, match="no reason"):
            by_hand(bench, accept_breach=True, reason=" ")
        assert "aurora-1" in bench.running()["vmtas"]

    def test_a_file_edited_by_hand_is_not_overwritten_silently(self, bench: Bench) -> None:
        by_hand(bench)
        (bench.root() / FILE).write_text(bench.file() + "# by hand\n")
        with pytest.raises(GuardBreach, match="edited it by hand"):
            by_hand(bench)
        assert bench.file().endswith("# by hand\n")
        assert by_hand(bench, accept_breach=True, reason="mine, it goes").status == "verified"
        assert "# by hand" not in bench.file()


class TestParams:
    def test_a_host_that_carries_no_ip_is_refused_before_it_is_asked(self, bench: Bench) -> None:
        with pytest.raises(InputError, match="mta-9 carries no IP"):
            by_hand(bench, "mta-9")

    def test_an_earlier_version_comes_back(self, bench: Bench) -> None:
        first = by_hand(bench)
        bench.allow(500)
        by_hand(bench)
        back = by_hand(bench, rollback_to=first.deployment, accept_breach=True, reason="too slow")
        assert (back.digest, bench.rows()[-1]["rolled_back_to"]) == (first.digest, first.deployment)

    def test_another_hosts_version_is_refused(self, bench: Bench) -> None:
        first = by_hand(bench)
        with bench.db.session(tenant="*") as conn:
            add_host(conn, "mta-2")
        bench.change(schema.deployments, schema.deployments.c.id == first.deployment, mta_host="mta-2")
        with pytest.raises(InputError, match="is of mta-2"):
            by_hand(bench, rollback_to=first.deployment)


class TestTrouble:
    def test_another_deployment_is_not_disturbed(self, bench: Bench) -> None:
        by_hand(bench)
        good, told = bench.file(), bench.told()
        bench.allow(500)
        with host_lock(bench.db, "mta-1"), pytest.raises(Busy, match="another deployment to this host"):
            by_hand(bench)
        assert (bench.file(), bench.told()) == (good, told)
        assert by_hand(bench).status == "verified"

    def test_what_powermta_refuses_leaves_the_host_as_it_was_and_is_told(self, bench: Bench) -> None:
        by_hand(bench)
        good = bench.file()
        bench.allow(2000)
        bench.lab.knob("refuse_test_config", host="mta-1", text="no such thing")
        with pytest.raises(Refused, match="no such thing"):
            by_hand(bench)
        assert (bench.file(), bench.rows()[-1]["status"]) == (good, "rolled_back")
        assert ("deployment", "mta-1", "Refused") in bench.told()

    def test_a_host_that_is_down_is_said_so(self, bench: Bench) -> None:
        bench.lab.knob("down", host="mta-1")
        with pytest.raises(Unreachable):
            by_hand(bench)
        assert bench.rows() == []

    def test_what_a_killed_run_left_is_finished_first(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Killed(BaseException): ...

        def die(*_: Any) -> Any:
            raise Killed

        by_hand(bench)
        bench.allow(500)
        with monkeypatch.context() as patch:
            patch.setattr(PowerMta, "reload", die)
            with pytest.raises(Killed):
                by_hand(bench)
        assert by_hand(bench).status == "unchanged"
        assert [row["status"] for row in bench.rows()] == ["verified", "verified"]
        assert bench.running()["digest"] == digest(bench.file())

"""Ways round the safety of deployments that were once open, over real SSH to the lab's PowerMTA."""

import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from sqlalchemy import text

from email_engine.adapters.powermta import PowerMta
from email_engine.decision import Origin
from email_engine.errors import NotVerified, Refused
from email_engine.fleet.model import IpState
from email_engine.pipelines.pmta_config_deploy import apply
from email_engine.store import schema
from email_engine.store.deployment import deployments
from email_engine.store.engine import Store
from email_engine.store.stops import brakes
from email_engine.store.stops.removed_ips import RemovedIp
from email_engine_airflow.run import current_run
from lab.testing import RunningLab
from tests.integration.deploy_bench import FILE, Bench, deploy_lab, prepare, reset
from tests.integration.test_deploy_approval import answer

HELD = ["*/aurora-4", "*/borealis-4"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with deploy_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def bench(
    lab: RunningLab, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    reset(lab)
    yield prepare(lab, store, engine_database_url, monkeypatch)
    lab.knob("disabled_source_survives_reload", host="mta-1", on=True)


def forget_on_reload(bench: Bench) -> None:
    bench.lab.knob("pause_survives_reload", host="mta-1", on=False)
    bench.lab.knob("disabled_source_survives_reload", host="mta-1", on=False)


def held(bench: Bench) -> list[str]:
    return sorted(source["queue"] for source in bench.host()["disabled_sources"])


class TestWatch:
    def test_a_canary_whose_holds_failed_at_first_is_watched_all_the_same(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench.deploy()
        bench.allow(2000)
        plan = bench.plan()
        settle = apply.settle

        def fail(*_: Any, **__: Any) -> Any:
            raise NotVerified("host", "not held", "held", "again")

        monkeypatch.setattr(apply, "settle", fail)
        with pytest.raises(NotVerified):
            bench.apply(plan, watch_minutes=10)
        monkeypatch.setattr(apply, "settle", settle)
        bench.runs -= 1
        done = bench.apply(plan, watch_minutes=10)
        assert done["watch"] is True
        assert done["deployment"] == bench.rows()[-1]["id"]

    def test_a_canary_that_was_killed_is_watched_when_it_is_finished(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Killed(BaseException): ...

        def die(*_: Any) -> Any:
            raise Killed

        bench.deploy()
        bench.allow(2000)
        plan = bench.plan()
        settings = PowerMta.vmta_settings
        monkeypatch.setattr(PowerMta, "vmta_settings", die)
        with pytest.raises(Killed):
            bench.apply(plan, watch_minutes=10)
        monkeypatch.setattr(PowerMta, "vmta_settings", settings)
        bench.runs -= 1
        assert bench.apply(plan, watch_minutes=10)["watch"] is True

    def test_an_approved_deployment_settles_when_it_is_tried_again(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench.deploy()
        (bench.root() / FILE).write_text(bench.file() + "# by hand\n")
        bench.plan()
        approval = answer(bench)["approval"]
        plan = bench.plan(approval=approval)
        settle = apply.settle

        def fail(*_: Any, **__: Any) -> Any:
            raise NotVerified("host", "not held", "held", "again")

        monkeypatch.setattr(apply, "settle", fail)
        with pytest.raises(NotVerified):
            bench.apply(plan, approval=approval)
        monkeypatch.setattr(apply, "settle", settle)
        bench.runs -= 1
        assert bench.apply(plan, approval=approval)["held"] == 2


class TestHolds:
    def test_an_ip_that_left_the_fleet_is_held_again_after_a_reload(self, bench: Bench) -> None:
        bench.deploy()
        forget_on_reload(bench)
        bench.change(schema.ips, schema.ips.c.vmta_name == "aurora-1", removed=True)
        with bench.db.session(tenant="*") as conn:
            (row,) = [r for r in conn.execute(schema.ips.select()) if r.vmta_name == "aurora-1"]
            at = current_run(bench.context()).as_of
            place = (row.vmta_name, row.mta_host, "newsletter", IpState.ACTIVE)
            ip = RemovedIp(row.id, "aurora", ip_address(str(row.address)), *place, at)
            brakes.engage(conn, ip, "left", Origin("x", current_run(bench.context()).as_of), None)
        with PowerMta(bench_endpoint(bench)) as mta:
            mta.hold("198.51.100.1", "aurora-1")
        bench.allow(500)
        plan = bench.plan()
        assert plan["kind"] == "approval"
        bench.reduce(plan)
        assert held(bench) == ["*/aurora-1", *HELD]

    def test_one_that_powermta_refuses_to_hold_leaves_the_others_their_turn(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench.deploy()
        forget_on_reload(bench)
        bench.allow(500)
        disable = PowerMta.disable_source

        def refuse(self: PowerMta, address: str, vmta: str) -> None:
            if vmta == "aurora-4":
                raise Refused("mta-1", "no such queue", "a queue", "none")
            disable(self, address, vmta)

        monkeypatch.setattr(PowerMta, "disable_source", refuse)
        with pytest.raises(NotVerified, match="aurora-4"):
            bench.deploy()
        assert "*/borealis-4" in held(bench)


class TestGuard:
    def test_a_file_that_went_away_is_not_put_back_silently(self, bench: Bench) -> None:
        bench.deploy()
        path = bench.root() / FILE
        path.unlink()
        try:
            assert bench.plan()["kind"] == "approval"
        finally:
            path.touch()

    def test_a_hand_edit_that_came_back_is_a_hand_edit(self, bench: Bench) -> None:
        bench.deploy()
        edited = bench.file() + "# by hand\n"
        (bench.root() / FILE).write_text(edited)
        assert bench.plan()["kind"] == "approval"
        bench.deploy(accept_breach=True, reason="mine")
        (bench.root() / FILE).write_text(edited)
        assert bench.plan()["kind"] == "approval"

    def test_a_roll_back_to_higher_caps_asks_a_person(self, bench: Bench) -> None:
        first = bench.deploy()
        bench.allow(200)
        bench.deploy()
        assert bench.plan(rollback_to=first["deployment"])["kind"] == "approval"

    def test_an_edit_between_plan_and_deployment_is_seen_although_a_killed_run_is_mended(
        self, bench: Bench
    ) -> None:
        bench.deploy()
        bench.allow(500)
        plan = bench.plan()
        with bench.db.session(tenant="*") as conn:
            deployments.begin(
                conn, mta_host="mta-1", fleet_version=1, digest="0" * 64, previous_digest=plan["previous"],
                config="# never arrived\n", diff="", caused_by="killed", dag_id=None, run_id=None,
            )  # fmt: skip
        edited = bench.file() + "# by hand\n"
        (bench.root() / FILE).write_text(edited)
        with pytest.raises(AirflowFailException):
            bench.apply(plan)
        assert bench.file() == edited


class TestOthersText:
    def observe(self, bench: Bench) -> None:
        bench.deploy()
        bench.change(schema.tenants, schema.tenants.c.name == "borealis", mode="observe")

    @pytest.mark.parametrize(
        "own",
        [b"# long ago:\x0cmax-smtp-out 99\n", "# so \u2028max-smtp-out 99\n".encode(), b"# from DOS\r\n"],
        ids=["form feed", "line separator", "CRLF"],
    )
    def test_the_section_of_an_observer_stays_to_the_byte(self, bench: Bench, own: bytes) -> None:
        self.observe(bench)
        path = bench.root() / FILE
        end = b"# email-engine end tenant borealis\n"
        path.write_bytes(path.read_bytes().replace(end, own + end))
        bench.allow(500, "aurora-1")
        bench.deploy(accept_breach=True, reason="mine")
        assert own + end in path.read_bytes()
        assert b"600/d" in path.read_bytes()

    def test_letters_that_are_no_utf8_are_not_written_over(self, bench: Bench) -> None:
        self.observe(bench)
        path = bench.root() / FILE
        end = b"# email-engine end tenant borealis\n"
        path.write_bytes(path.read_bytes().replace(end, b"# r\xe9gl\xe9 par Ann\n" + end))
        before = path.read_bytes()
        bench.allow(500, "aurora-1")
        with pytest.raises(AirflowFailException, match="UTF-8"):
            bench.deploy(accept_breach=True, reason="mine")
        assert path.read_bytes() == before


def bench_endpoint(bench: Bench) -> Any:
    from email_engine.adapters.powermta import PowerMtaEndpoint
    from tests.integration.deploy_bench import _host_key

    host = bench.lab.world["powermta"][0]
    return PowerMtaEndpoint(
        "127.0.0.1", host["ssh_port"], "pmta", _host_key(host), bench.lab.client_key_file.read_text()
    )


def test_the_lock_of_a_host_outlives_the_servers_patience_with_idle_transactions(bench: Bench) -> None:
    with bench.db.session(tenant="*") as conn:
        name = conn.execute(text("SELECT current_database()")).scalar_one()
        conn.execute(text(f'ALTER DATABASE "{name}" SET idle_in_transaction_session_timeout = 200'))
    bench.db.dispose()
    with deployments.host_lock(bench.db, "mta-1"):
        time.sleep(0.6)
        with pytest.raises(deployments.Busy), deployments.host_lock(bench.db, "mta-1"):
            pass

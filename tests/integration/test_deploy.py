"""Deployments over real SSH to the lab's PowerMTA, with every fault that it can play."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import asyncssh
import pytest
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
)

from email_engine.adapters.powermta import PowerMta
from email_engine.decision import Decision, Origin
from email_engine.errors import NotVerified, Unreachable
from email_engine.pipelines.pmta_config_deploy import apply, holds
from email_engine.pmta.config.layout import digest, split_sections
from email_engine.store import schema, versions
from email_engine.store.deployment import deployments
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips, set_allowance
from email_engine.store.judgement import decisions
from email_engine.store.stops import brakes
from lab.testing import RunningLab
from tests.integration.deploy_bench import AS_OF, FILE, Bench, connection, deploy_lab, prepare, reset


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with deploy_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def bench(lab: RunningLab, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
    reset(lab)
    return prepare(lab, store, engine_database_url, monkeypatch)


class Killed(BaseException):
    """Stands for SIGKILL: no handler of ours may catch it."""


class TestGoodWay:
    def test_caps_pools_and_holds_reach_the_running_powermta(self, bench: Bench) -> None:
        done = bench.deploy()
        running = bench.running()
        assert done["status"] == "verified"
        assert running["digest"] == done["digest"] == digest(bench.file())
        assert running["vmtas"]["aurora-1"]["max_smtp_msg_rate"] == "1200/d"
        assert running["vmtas"]["aurora-1"]["domain_rates"]["$engine_gmail"] == "250/h"
        assert running["vmtas"]["aurora-4"]["max_smtp_msg_rate"] == "1/d"
        assert running["pools"]["aurora-newsletter"] == ["aurora-1", "aurora-2", "aurora-3"]
        disabled = {(s["ip"], s["queue"]) for s in bench.host()["disabled_sources"]}
        assert disabled == {("198.51.100.4", "*/aurora-4"), ("203.0.113.4", "*/borealis-4")}
        (row,) = bench.rows()
        assert (row["status"], row["caused_by"], row["run_id"]) == ("verified", "pmta_config_deploy", "run-2")
        assert bench.told() == [("deployment", "mta-1", f"verified {done['digest'][:12]}")]
        assert bench.files() == ["config", "email-engine.conf", "email-engine.conf.email-engine.bak"]

    def test_a_second_run_finds_nothing_to_do(self, bench: Bench) -> None:
        bench.deploy()
        before = bench.running()["loaded_at"]
        plan = bench.plan()
        assert (plan["changed"], plan["summary"]) == (False, "mta-1: unchanged")
        assert bench.apply(plan)["status"] == "unchanged"
        assert bench.running()["loaded_at"] == before
        assert len(bench.rows()) == 1

    def test_a_new_allowance_changes_the_cap(self, bench: Bench) -> None:
        bench.deploy()
        bench.allow(2000, "aurora-1")
        plan = bench.plan()
        assert plan["summary"].startswith("mta-1: vmta aurora-1: cap 1200/d -> 2400/d")
        bench.apply(plan)
        assert bench.running()["vmtas"]["aurora-1"]["max_smtp_msg_rate"] == "2400/d"

    def test_an_old_run_that_is_cleared_deploys_no_old_caps(self, bench: Bench) -> None:
        bench.deploy()
        with bench.db.session(tenant="*") as conn:
            version = versions.bump(conn, "stepped back")
            day = AS_OF + timedelta(days=1)
            decision = Decision(
                "aurora", "warmup_advance", "198.51.100.1", "2026-11-02", "step_back", "bad rates", day, "x"
            )
            decided = decisions.record(conn, decision, "warmup_advance", "run")
            (first,) = [ip for ip in load_ips(conn, day=day.date()) if ip.vmta == "aurora-1"]
            set_allowance(conn, first.ip_id, "aurora", day.date(), 500, version, decided)
        bench.deploy()
        assert bench.running()["vmtas"]["aurora-1"]["max_smtp_msg_rate"] == "600/d"

    def test_a_dry_run_shows_and_changes_nothing(self, bench: Bench) -> None:
        before = bench.file()
        plan = bench.plan(dry_run=True)
        assert plan["changed"]
        assert bench.file() == before
        assert bench.rows() == []
        assert bench.told() == []

    def test_a_tenant_in_observe_keeps_its_section_and_its_queues(self, bench: Bench) -> None:
        bench.deploy()
        before = split_sections(bench.file())["borealis"]
        bench.change(schema.tenants, schema.tenants.c.name == "borealis", mode="observe")
        bench.change(schema.ips, schema.ips.c.vmta_name.in_(["borealis-1"]), status="quarantine")
        bench.allow(3000)
        bench.deploy()
        assert split_sections(bench.file())["borealis"] == before
        assert bench.running()["vmtas"]["aurora-1"]["max_smtp_msg_rate"] == "3600/d"
        assert "*/borealis-1" not in {s["queue"] for s in bench.host()["disabled_sources"]}

    def test_a_run_for_one_tenant_leaves_the_others_and_the_host_as_they_run(self, bench: Bench) -> None:
        bench.deploy()
        before = split_sections(bench.file())
        bench.allow(500)
        bench.deploy(tenant="aurora")
        after = split_sections(bench.file())
        assert (after["borealis"], after[None]) == (before["borealis"], before[None])
        assert bench.running()["vmtas"]["aurora-1"]["max_smtp_msg_rate"] == "600/d"
        assert bench.running()["vmtas"]["borealis-1"]["max_smtp_msg_rate"] == "1200/d"
        with pytest.raises(
            AirflowFailException, match="nobody has no IP there; expected one of aurora, borealis"
        ):
            bench.plan(tenant="nobody")

    def test_a_host_that_only_observers_use_is_left_alone(self, bench: Bench) -> None:
        bench.change(schema.tenants, schema.tenants.c.name.is_not(None), mode="observe")
        before = bench.file()
        assert bench.plan()["changed"] is False
        assert bench.file() == before

    def test_a_reload_that_forgets_pauses_is_made_good(self, bench: Bench) -> None:
        bench.deploy()
        bench.lab.knob("put_mail_in_queue", host="mta-1", vmta="aurora-4", domain="gmail.com", n=3)
        bench.lab.knob("pause_survives_reload", host="mta-1", on=False)
        bench.allow(2000)
        bench.deploy()
        queue = next(q for q in bench.host()["queues"] if q["name"].endswith("/aurora-4"))
        assert queue["paused"]

    def test_an_ip_that_starts_is_let_go(self, bench: Bench) -> None:
        bench.deploy()
        bench.change(schema.ips, schema.ips.c.vmta_name == "aurora-4", status="warming")
        bench.allow(50, "aurora-4")
        done = bench.deploy()
        assert done["released"] == 1
        assert {s["queue"] for s in bench.host()["disabled_sources"]} == {"*/borealis-4"}
        assert bench.running()["pools"]["aurora-newsletter"] == ["aurora-1", "aurora-2", "aurora-3"]

    def test_a_hold_that_somebody_took_off_is_put_on_without_a_new_file(self, bench: Bench) -> None:
        bench.deploy()
        before = bench.running()["loaded_at"]
        bench.lab.knob("restart", host="mta-1")
        bench.change(schema.ips, schema.ips.c.vmta_name == "aurora-3", status="quarantine")
        plan = bench.plan()
        assert "1 virtual MTA to hold" in plan["summary"]
        bench.apply(plan)
        assert "*/aurora-3" in {s["queue"] for s in bench.host()["disabled_sources"]}
        assert before

    def test_an_earlier_version_comes_back_by_the_same_road(self, bench: Bench) -> None:
        first = bench.deploy()
        bench.allow(2000)
        second = bench.deploy()
        back = bench.deploy(rollback_to=first["deployment"], reason="too fast")
        assert back["digest"] == first["digest"] != second["digest"]
        assert bench.running()["digest"] == first["digest"]
        row = bench.rows()[-1]
        assert (row["rolled_back_to"], row["status"]) == (first["deployment"], "verified")
        assert row["caused_by"] == "pmta_config_deploy: too fast"


class TestFaults:
    def deployed(self, bench: Bench) -> str:
        """One good deployment, then a change that waits; returns the file that must survive."""
        bench.deploy()
        bench.allow(2000)
        return bench.file()

    @pytest.mark.parametrize(
        ("knob", "arguments", "step", "says"),
        [
            ("refuse_test_config", {"text": "argument missing"}, "test config", "argument missing"),
            ("fail_reload", {"times": 1}, "reload", "reload failed"),
        ],
    )
    def test_a_refusal_restores_the_file_and_reloads(
        self, bench: Bench, knob: str, arguments: dict[str, Any], step: str, says: str
    ) -> None:
        good = self.deployed(bench)
        running = bench.running()["digest"]
        bench.lab.knob(knob, host="mta-1", **arguments)
        with pytest.raises(AirflowFailException, match=says):
            bench.deploy()
        assert bench.file() == good
        assert bench.running()["digest"] == running == digest(good)
        row = bench.rows()[-1]
        assert (row["status"], row["failed_step"]) == ("rolled_back", step)
        assert says in row["message"]
        assert ("deployment", "mta-1", "Refused") in bench.told()
        bench.lab.knob("refuse_test_config", host="mta-1", text="")
        assert bench.deploy()["status"] == "verified"

    def test_a_refusal_leaves_nothing_loose_that_a_reload_let_go(self, bench: Bench) -> None:
        self.deployed(bench)
        before = bench.host()["disabled_sources"]
        bench.lab.knob("restart", host="mta-1")
        bench.lab.knob("refuse_test_config", host="mta-1", text="argument missing")
        with pytest.raises(AirflowFailException):
            bench.deploy()
        assert bench.host()["disabled_sources"] == before

    @pytest.mark.parametrize("moment", ["before it reloads", "before it lets go", "after it let go"])
    def test_a_brake_that_comes_during_a_deployment_stands_after_it(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, moment: str
    ) -> None:
        """The brake itself was put on meanwhile by another run, as it does: written down first, then held."""
        bench.deploy()
        bench.change(schema.ips, schema.ips.c.vmta_name == "aurora-4", status="warming")
        bench.allow(50, "aurora-4")
        module, name = {
            "before it reloads": (apply, "install"),
            "before it lets go": (holds, "release_ours"),
            "after it let go": (holds, "hold_all"),
        }[moment]
        work = getattr(module, name)

        def braked_meanwhile(mta: Any, *arguments: Any) -> Any:
            with bench.db.session(tenant="*") as conn:
                ip = next(ip for ip in load_ips(conn, day=AS_OF.date()) if ip.vmta == "aurora-1")
                brakes.engage(conn, ip, "listed", Origin("rbl_sweep", AS_OF, "rbl_sweep", "run"), None)
            mta.hold(str(ip.address), ip.vmta)
            return work(mta, *arguments)

        monkeypatch.setattr(module, name, braked_meanwhile)
        assert bench.deploy()["released"] == 1
        assert {s["queue"] for s in bench.host()["disabled_sources"]} == {"*/aurora-1", "*/borealis-4"}

    @pytest.mark.parametrize("knob", ["disk_full", "permission_denied"])
    def test_a_file_that_cannot_be_written_changes_nothing(self, bench: Bench, knob: str) -> None:
        good = self.deployed(bench)
        plan = bench.plan()
        bench.lab.knob(knob, host="mta-1")
        with pytest.raises(AirflowFailException, match=r"email-engine\.conf"):
            bench.apply(plan)
        assert bench.file() == good
        assert bench.rows()[-1]["status"] == "failed"
        assert bench.rows()[-1]["failed_step"] == "upload"
        bench.lab.knob(knob, host="mta-1", on=False)
        assert bench.deploy()["status"] == "verified"
        assert bench.files() == ["config", "email-engine.conf", "email-engine.conf.email-engine.bak"]

    def test_a_changed_host_key_stops_everything(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        bench.lab.knob("change_host_key", host="mta-1")
        with pytest.raises(AirflowFailException, match="nothing was sent"):
            bench.plan()
        assert bench.told() == [
            ("incident", "host mta-1", "open 1"),
        ]

    def test_a_wrong_key_is_denied(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
        monkeypatch.setenv("AIRFLOW_CONN_POWERMTA_MTA-1", connection(bench.lab, private_key=other))
        with pytest.raises(AirflowFailException, match="authorized_keys") as caught:
            bench.plan()
        assert "PRIVATE" not in str(caught.value)

    def test_a_host_that_is_down_is_told_and_heals(self, bench: Bench) -> None:
        bench.lab.knob("down", host="mta-1")
        with pytest.raises(Unreachable, match="refused"):
            bench.plan()
        assert bench.told() == [
            ("incident", "host mta-1", "open 1"),
        ]
        bench.lab.knob("up", host="mta-1")
        assert bench.deploy()["status"] == "verified"

    def test_a_pmta_that_hangs_leaves_the_old_file_and_heals(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good = self.deployed(bench)
        monkeypatch.setenv("AIRFLOW_CONN_POWERMTA_MTA-1", connection(bench.lab, command_timeout=1))
        plan = bench.plan()
        bench.lab.knob("hang_command", host="mta-1", seconds=5, command="reload")
        with pytest.raises(Unreachable, match="did not end within 1 s"):
            bench.apply(plan)
        assert bench.file() == good
        assert bench.rows()[-1]["status"] == "applying"
        bench.lab.knob("hang_command", host="mta-1", seconds=0)
        assert bench.deploy()["status"] == "verified"
        assert [row["status"] for row in bench.rows()] == ["verified", "failed", "verified"]

    def test_a_pmta_that_is_not_there_is_named(self, bench: Bench) -> None:
        bench.lab.knob("command_missing", host="mta-1")
        with pytest.raises(AirflowFailException, match="pmta_command"):
            bench.plan()

    @pytest.mark.parametrize(
        ("command", "change", "says"),
        [
            ("vmta_settings", {"smtp-source-host": ["198.51.100.9 x.example"]}, "198.51.100.1"),
            ("vmta_settings", {"max-smtp-msg-rate": "9/d"}, r"max-smtp-msg-rate 2400/d \(it shows 9/d\)"),
            ("settings", {"max-msg-rate": "unlimited"}, r"settings gmail.com/aurora-1.*it shows unlimited"),
        ],
        ids=["source", "cap", "rate to a provider"],
    )
    def test_what_reading_back_does_not_show_is_rolled_back(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, command: str, change: dict[str, Any], says: str
    ) -> None:
        good = self.deployed(bench)
        show = getattr(PowerMta, command)
        monkeypatch.setattr(PowerMta, command, lambda self, name: show(self, name) | change)
        with pytest.raises(NotVerified, match=says):
            bench.deploy()
        assert bench.file() == good
        assert (bench.rows()[-1]["status"], bench.rows()[-1]["failed_step"]) == ("rolled_back", "verify")

    def test_a_file_that_somebody_wrote_during_the_deployment_is_left_and_told(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.deployed(bench)
        by_hand, reload = bench.file() + "# by hand\n", PowerMta.reload

        def edited_meanwhile(mta: PowerMta) -> str:
            (bench.root() / FILE).write_text(by_hand)
            return reload(mta)

        said = "holds a file that this deployment did not write; it was left"
        with monkeypatch.context() as patch:
            patch.setattr(PowerMta, "reload", edited_meanwhile)
            with pytest.raises(NotVerified, match=said):
                bench.deploy()
        assert bench.file() == by_hand
        assert (bench.rows()[-1]["status"], bench.rows()[-1]["failed_step"]) == ("failed", "verify")

    def test_the_old_file_that_somebody_put_back_during_the_deployment_runs(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good, reload = self.deployed(bench), PowerMta.reload

        def put_back(mta: PowerMta) -> str:
            said = reload(mta)
            (bench.root() / FILE).write_text(good)
            return said

        with monkeypatch.context() as patch:
            patch.setattr(PowerMta, "reload", put_back)
            with pytest.raises(NotVerified):
                bench.deploy()
        assert bench.file() == good
        assert bench.running()["digest"] == digest(good)
        assert bench.rows()[-1]["status"] == "rolled_back"

    @pytest.mark.parametrize("shown", [{"max-msg-rate": "250/hr"}, {}], ids=["other spelling", "not shown"])
    def test_what_a_release_spells_otherwise_or_leaves_out_is_let_pass(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, shown: dict[str, str]
    ) -> None:
        self.deployed(bench)
        monkeypatch.setattr(PowerMta, "settings", lambda self, name: shown)
        assert bench.deploy()["status"] == "verified"


class TestKilled:
    """Killed between two steps: the next run finds out what is there, and finishes or undoes."""

    def kill_at(self, monkeypatch: pytest.MonkeyPatch, name: str, nth: int = 1) -> None:
        real, calls = getattr(PowerMta, name), []

        def dies(self: PowerMta, *args: Any, **kwargs: Any) -> Any:
            calls.append(args)
            if len(calls) == nth:
                raise Killed
            return real(self, *args, **kwargs)

        monkeypatch.setattr(PowerMta, name, dies)

    @pytest.mark.parametrize(
        ("name", "nth", "first"),
        [
            ("write", 1, "failed"),
            ("write", 2, "failed"),
            ("rename", 2, "failed"),
            ("test_config", 1, "verified"),
            ("reload", 1, "verified"),
            ("vmta_settings", 1, "verified"),
        ],
        ids=[
            "before upload",
            "before backup",
            "before rename",
            "after rename",
            "before reload",
            "before verify",
        ],
    )
    def test_the_next_run_heals(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, nth: int, first: str
    ) -> None:
        bench.deploy()
        bench.allow(2000)
        with monkeypatch.context() as patch:
            self.kill_at(patch, name, nth)
            with pytest.raises(Killed):
                bench.deploy()
        assert bench.rows()[-1]["status"] == "applying"
        plan = bench.plan()
        assert bench.rows()[1]["status"] == first
        assert plan["changed"] is (first == "failed")
        done = bench.apply(plan)
        assert bench.running()["digest"] == digest(bench.file()) == done["digest"]
        assert bench.running()["vmtas"]["aurora-1"]["max_smtp_msg_rate"] == "2400/d"
        assert bench.files() == ["config", "email-engine.conf", "email-engine.conf.email-engine.bak"]
        assert bench.plan()["changed"] is False

    def test_a_killed_run_whose_file_is_refused_is_undone(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench.deploy()
        good = bench.file()
        bench.allow(2000)
        with monkeypatch.context() as patch:
            self.kill_at(patch, "test_config")
            with pytest.raises(Killed):
                bench.deploy()
        assert bench.file() != good
        bench.lab.knob("refuse_test_config", host="mta-1", text="argument missing")
        with pytest.raises(AirflowFailException):
            bench.deploy()
        assert bench.file() == good
        assert bench.running()["digest"] == digest(good)
        assert bench.rows()[1]["status"] == "rolled_back"


class TestPlansThatNoLongerHold:
    def test_a_newer_fleet_version_supersedes_a_plan_quietly(self, bench: Bench) -> None:
        plan = bench.plan()
        bench.allow(5)
        with pytest.raises(AirflowSkipException, match="superseded by fleet version 2; nothing was changed"):
            bench.apply(plan)
        assert bench.rows() == []
        assert bench.told() == [("deployment", "mta-1", "Superseded")]

    def test_a_newer_fleet_version_that_says_the_same_does_not(self, bench: Bench) -> None:
        plan = bench.plan()
        bench.allow(1000)
        assert bench.apply(plan)["status"] == "verified"
        assert bench.rows()[-1]["fleet_version"] == 2

    def test_a_file_edited_after_the_plan_is_refused(self, bench: Bench) -> None:
        plan = bench.plan()
        path = bench.root() / "etc/pmta/email-engine.conf"
        path.write_text("# by hand\n")
        with pytest.raises(AirflowFailException, match="changed after the plan was made"):
            bench.apply(plan)

    def test_a_plan_that_the_guard_stopped_is_never_deployed(self, bench: Bench) -> None:
        bench.deploy()
        path = bench.root() / "etc/pmta/email-engine.conf"
        path.write_text(path.read_text() + "# by hand\n")
        bench.allow(2000)
        before = bench.file()
        with pytest.raises(AirflowFailException, match="the guard stopped this plan"):
            bench.deploy()
        assert bench.file() == before

    def test_two_deployments_to_one_host_never_run_at_once(self, bench: Bench) -> None:
        plan = bench.plan()
        with deployments.host_lock(bench.db, "mta-1"), pytest.raises(AirflowRescheduleException):
            bench.apply(plan)
        assert bench.apply(plan)["status"] == "verified"

    def test_no_secret_is_in_rows_alerts_or_xcom(self, bench: Bench) -> None:
        done = [bench.plan(), bench.deploy()]
        text = json.dumps(done) + json.dumps(bench.rows(), default=str)
        assert "PRIVATE" not in text
        assert bench.lab.client_key_file.read_text().splitlines()[1] not in text

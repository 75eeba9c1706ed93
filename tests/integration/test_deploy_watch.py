"""The minutes after a deployment, over real SSH to the lab's PowerMTA: well, worse, away, superseded, killed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, AirflowSkipException

from email_engine.errors import Unreachable
from email_engine.pipelines.pmta_config_deploy import apply
from email_engine.pipelines.pmta_config_deploy import watch as watch_pipeline
from email_engine.pmta.config.layout import digest
from email_engine.store import schema
from email_engine.store.engine import Store
from email_engine_airflow.operators.pmta_config_deploy import WatchHost
from lab.testing import RunningLab
from tests.integration.deploy_bench import Bench, deploy_lab, prepare, reset


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with deploy_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def bench(lab: RunningLab, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
    reset(lab)
    made = prepare(lab, store, engine_database_url, monkeypatch)
    made.deploy()
    return made


def changed(bench: Bench, **params: Any) -> dict[str, Any]:
    """A deployment that raises something, to be watched for ten minutes."""
    bench.allow(2000)
    return bench.deploy(watch_minutes=10, **params)


def watch(bench: Bench, deployed: dict[str, Any], minutes: float = 10) -> dict[str, Any]:
    return WatchHost(task_id="watch", deployed=deployed).execute(bench.context(watch_minutes=minutes))


def go_on(bench: Bench, deployed: dict[str, Any], samples: int = 1) -> None:
    """The window is open: the task asks to be started again later."""
    for _ in range(samples):
        with pytest.raises(AirflowRescheduleException) as caught:
            watch(bench, deployed)
        assert timedelta() < caught.value.reschedule_date - datetime.now(UTC) <= timedelta(seconds=60)


def pile_up(bench: Bench, vmta: str = "aurora-1", n: int = 2500) -> None:
    """Mail comes in and, because the lab's clock stands still, none goes out."""
    bench.lab.knob("put_mail_in_queue", host="mta-1", vmta=vmta, domain="gmail.com", n=n)


def row(bench: Bench, deployed: dict[str, Any]) -> Any:
    return next(one for one in bench.rows() if one["id"] == deployed["deployment"])


class TestWell:
    def test_a_host_that_does_as_before_is_well_at_the_end(self, bench: Bench) -> None:
        done = changed(bench)
        assert done["watch"]
        go_on(bench, done, samples=2)
        assert watch(bench, done, minutes=0) == {"host": "mta-1", "watched": "well"}
        seen = row(bench, done)
        assert (seen["status"], seen["watched"], len(seen["baseline"]["since"])) == ("verified", "well", 3)
        assert set(seen["baseline"]["before"]) >= {"recipients", "backoff", "sent"}

    def test_run_again_it_says_the_same_without_a_look(self, bench: Bench) -> None:
        done = changed(bench)
        watch(bench, done, minutes=0)
        bench.lab.knob("down", host="mta-1")
        assert watch(bench, done)["watched"] == "well"

    @pytest.mark.parametrize(
        ("messages", "minutes", "watched"),
        [(2000, 10, True), (500, 10, True), (2000, 0, True), (2000, 10, False)],
        ids=["raised", "only lowered", "no window", "one of the rest"],
    )
    def test_only_a_canary_that_changes_more_than_caps_downwards_is_watched(
        self, bench: Bench, messages: int, minutes: int, watched: bool
    ) -> None:
        bench.allow(messages)
        done = bench.apply(bench.plan(), watched=watched, watch_minutes=minutes)
        assert done["status"] == "verified"
        assert done["watch"] is (messages == 2000 and minutes == 10 and watched)
        if not done["watch"]:
            assert watch(bench, done, minutes) == {"host": "mta-1", "watched": None}
            assert row(bench, done)["baseline"] is None

    def test_comments_alone_are_not_watched(self, bench: Bench) -> None:
        path = bench.root() / "etc/pmta/email-engine.conf"
        path.write_text(path.read_text() + "# by hand\n")
        done = bench.deploy(accept_breach=True, reason="mine", watch_minutes=10)
        assert (done["status"], done["watch"]) == ("verified", False)

    def test_queues_that_stand_still_by_intent_do_not_count(self, bench: Bench) -> None:
        bench.allow(2000, "aurora-2")
        bench.allow(100, "aurora-1")
        done = bench.deploy(watch_minutes=10)
        pile_up(bench, "aurora-1")
        pile_up(bench, "aurora-4")
        go_on(bench, done, samples=2)
        assert row(bench, done)["baseline"]["since"][-1]["recipients"] == 0

    def test_mail_that_comes_and_leaves_is_no_trouble(self, bench: Bench) -> None:
        done = changed(bench)
        pile_up(bench)
        bench.lab.advance(bench.lab.now() + timedelta(hours=1))
        pile_up(bench)
        go_on(bench, done, samples=2)


class TestWorse:
    def test_queues_that_grow_while_nothing_leaves_bring_the_old_file_back(self, bench: Bench) -> None:
        good = bench.file()
        done = changed(bench)
        go_on(bench, done)
        pile_up(bench)
        go_on(bench, done)
        with pytest.raises(AirflowFailException, match=r"2500 recipients are queued \(0 before"):
            watch(bench, done)
        assert bench.file() == good
        assert bench.running()["digest"] == digest(good)
        assert bench.running()["vmtas"]["aurora-1"]["max_smtp_msg_rate"] == "1200/d"
        seen, undone = row(bench, done), bench.rows()[-1]
        assert (seen["status"], seen["failed_step"], seen["watched"]) == ("rolled_back", "watch", "worse")
        assert "2500 recipients" in seen["message"]
        assert (undone["status"], undone["rolled_back_to"]) == ("verified", bench.rows()[0]["id"])
        assert undone["caused_by"].startswith(f"pmta_config_deploy: watch of deployment {done['deployment']}")
        assert ("deployment", "mta-1", "WorseThanBefore") in bench.told()

    def test_what_must_stand_still_is_held_again(self, bench: Bench) -> None:
        held = {s["queue"] for s in bench.host()["disabled_sources"]}
        done = changed(bench)
        pile_up(bench)
        bench.lab.knob("restart", host="mta-1")
        for source in held:
            assert source.startswith("*/")
        go_on(bench, done)
        with pytest.raises(AirflowFailException):
            watch(bench, done)
        assert {s["queue"] for s in bench.host()["disabled_sources"]} == held

    def test_what_was_lowered_is_not_raised_again_by_going_back(self, bench: Bench) -> None:
        bench.allow(2000, "aurora-2")
        bench.allow(100, "aurora-1")
        done = bench.deploy(watch_minutes=10)
        pile_up(bench, "aurora-2")
        go_on(bench, done)
        with pytest.raises(AirflowFailException):
            watch(bench, done)
        caps = {name: vmta["max_smtp_msg_rate"] for name, vmta in bench.running()["vmtas"].items()}
        assert (caps["aurora-1"], caps["aurora-2"]) == ("120/d", "1200/d")

    def test_the_same_configuration_is_not_deployed_again_without_a_person(self, bench: Bench) -> None:
        done = changed(bench)
        pile_up(bench)
        go_on(bench, done)
        with pytest.raises(AirflowFailException):
            watch(bench, done)
        plan = bench.plan()
        assert plan["kind"] == "approval"
        said = f"the watch rolled this very configuration back (deployment {done['deployment']})"
        assert said in bench.approvals()[0]["breaches"]

    def test_deferrals_count_too(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        done = changed(bench)
        pile_up(bench)
        look = watch_pipeline.take_sample

        def deferred(*arguments: Any) -> Any:
            from dataclasses import replace

            seen = look(*arguments)
            return replace(seen, sent=10**6, waiting=seen.recipients)

        monkeypatch.setattr(watch_pipeline, "take_sample", deferred)
        go_on(bench, done)
        with pytest.raises(
            AirflowFailException, match="100 % of the queued recipients wait for another attempt"
        ):
            watch(bench, done)


class TestAway:
    def test_a_host_that_cannot_be_read_is_asked_until_the_end(self, bench: Bench) -> None:
        done = changed(bench)
        bench.lab.knob("down", host="mta-1")
        go_on(bench, done, samples=3)
        bench.lab.knob("up", host="mta-1")
        assert watch(bench, done, minutes=0)["watched"] == "well"
        assert row(bench, done)["baseline"]["since"][:3] == [None] * 3

    def test_one_that_is_away_at_the_end_is_not_well_and_goes_back_when_it_can(self, bench: Bench) -> None:
        good = bench.file()
        done = changed(bench)
        bench.lab.knob("down", host="mta-1")
        with pytest.raises(Unreachable):
            watch(bench, done, minutes=0)
        assert row(bench, done)["watched"] == "worse"
        assert ("deployment", "mta-1", "WorseAndStuck") in bench.told()
        bench.lab.knob("up", host="mta-1")
        with pytest.raises(AirflowFailException, match="could not be read at the end"):
            watch(bench, done, minutes=0)
        assert bench.file() == good
        assert row(bench, done)["status"] == "rolled_back"

    def test_a_host_that_cannot_be_read_before_is_not_changed(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good = bench.file()

        def away(*_: Any) -> Any:
            raise Unreachable("mta-1", "gone", "an answer", "wait")

        monkeypatch.setattr(apply, "take_sample", away)
        with pytest.raises(Unreachable):
            changed(bench)
        assert bench.file() == good


class TestSuperseded:
    def test_a_newer_deployment_ends_the_watch_quietly(self, bench: Bench) -> None:
        done = changed(bench)
        pile_up(bench)
        go_on(bench, done)
        bench.allow(3000)
        newer = bench.deploy(watch_minutes=10)
        with pytest.raises(
            AirflowSkipException, match=f"deployment {newer['deployment']} went to mta-1 meanwhile"
        ):
            watch(bench, done)
        assert row(bench, done)["watched"] == "superseded"
        assert bench.running()["digest"] == newer["digest"]

    def test_reductions_come_through_while_a_host_is_watched(self, bench: Bench) -> None:
        done = changed(bench)
        go_on(bench, done)
        bench.allow(10)
        (lowered,) = bench.reduce(bench.plan())
        assert lowered["status"] == "verified"
        assert bench.running()["vmtas"]["aurora-1"]["max_smtp_msg_rate"] == "12/d"
        with pytest.raises(AirflowSkipException):
            watch(bench, done)

    def test_a_file_that_a_person_changed_meanwhile_is_left_alone(self, bench: Bench) -> None:
        done = changed(bench)
        pile_up(bench)
        go_on(bench, done)
        path = bench.root() / "etc/pmta/email-engine.conf"
        path.write_text(path.read_text() + "# by hand\n")
        with pytest.raises(AirflowSkipException, match="another configuration stands on the host"):
            watch(bench, done)
        assert path.read_text().endswith("# by hand\n")


class TestKilled:
    @pytest.mark.parametrize("step", ["write", "rename", "reload"])
    def test_a_way_back_that_was_killed_is_finished(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        from email_engine.adapters.powermta import PowerMta

        class Killed(BaseException):
            """Stands for SIGKILL."""

        def dies(*_: Any, **__: Any) -> Any:
            raise Killed

        good = bench.file()
        done = changed(bench)
        pile_up(bench)
        go_on(bench, done)
        with monkeypatch.context() as patch:
            patch.setattr(PowerMta, step, dies)
            with pytest.raises(Killed):
                watch(bench, done)
        assert bench.rows()[-1]["status"] == "applying"
        with pytest.raises(AirflowFailException, match="2500 recipients"):
            watch(bench, done)
        assert bench.file() == good
        assert bench.running()["digest"] == digest(good)
        assert row(bench, done)["status"] == "rolled_back"
        assert "applying" not in {one["status"] for one in bench.rows()}

    def test_a_way_back_that_fails_says_so(self, bench: Bench) -> None:
        done = changed(bench)
        pile_up(bench)
        go_on(bench, done)
        bench.lab.knob("refuse_test_config", host="mta-1", text="argument missing")
        with pytest.raises(AirflowFailException, match="argument missing"):
            watch(bench, done)
        assert ("deployment", "mta-1", "WorseAndStuck") in bench.told()
        assert bench.running()["digest"] == done["digest"]


class TestRollback:
    def test_a_roll_back_by_hand_is_watched_and_holds_what_is_parked(self, bench: Bench) -> None:
        first = bench.rows()[0]
        changed(bench)
        bench.change(schema.ips, schema.ips.c.vmta_name == "aurora-3", status="quarantine")
        bench.deploy()
        bench.lab.knob("restart", host="mta-1")
        assert (
            bench.plan(rollback_to=first["id"])["kind"] == "approval"
        )  # what is parked would get its cap back
        back = bench.deploy(rollback_to=first["id"], accept_breach=True, reason="slow", watch_minutes=10)
        assert (back["digest"], back["watch"]) == (first["digest"], True)
        held = {s["queue"] for s in bench.host()["disabled_sources"]}
        assert held == {"*/aurora-3", "*/aurora-4", "*/borealis-4"}
        assert watch(bench, back, minutes=0)["watched"] == "well"

    def test_a_roll_back_to_where_a_vmta_was_missing_needs_a_person(self, bench: Bench) -> None:
        bench.change(schema.ips, schema.ips.c.vmta_name == "aurora-1", removed=True)
        without = bench.deploy(accept_breach=True, reason="gone")
        bench.change(schema.ips, schema.ips.c.vmta_name == "aurora-1", removed=False)
        bench.deploy()
        assert bench.plan(rollback_to=without["deployment"])["kind"] == "approval"
        assert bench.approvals()[-1]["rollback_to"] == without["deployment"]

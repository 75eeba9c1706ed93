"""What the guard stops becomes a question; what only slows down never waits. Over real SSH to the lab's PowerMTA."""

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSkipException,
    DagRunTriggerException,
    TaskDeferred,
)

from email_engine.pmta.config.layout import digest
from email_engine.store import schema
from email_engine.store.engine import Store
from email_engine.store.telling import alerts
from email_engine_airflow.operators import pmta_config_approval as approval_operators
from email_engine_airflow.operators.pmta_config_approval import AskPerson, StartDeploying
from email_engine_airflow.operators.pmta_config_deploy import StartAsking
from lab.testing import RunningLab
from tests.integration.deploy_bench import Bench, deploy_lab, prepare, reset

ADA = {"id": "7", "name": "ada"}


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


def take_away(bench: Bench, vmta: str = "aurora-1") -> None:
    """A change that the guard stops: a virtual MTA disappears."""
    bench.change(schema.ips, schema.ips.c.vmta_name == vmta, removed=True)


def cap(bench: Bench, vmta: str) -> str:
    return str(bench.running()["vmtas"][vmta]["max_smtp_msg_rate"])


def answer(
    bench: Bench, option: str = "Approve", by: Any = ADA, number: int = -1, **params_input: Any
) -> dict[str, Any]:
    """What Airflow does when a person answers; gives the `conf` of the run that follows."""
    context = bench.context(approval=bench.approvals()[number]["id"])
    event = {"chosen_options": [option], "params_input": params_input, "responded_by_user": by}
    done: dict[str, Any] = AskPerson(task_id="ask").execute_complete(context, event)
    return dict(done["conf"])


def deploy_approved(bench: Bench, **conf: Any) -> dict[str, Any]:
    return bench.deploy(**{k: v for k, v in conf.items() if k != "host" and v is not None})


class TestAsking:
    def test_a_breach_asks_a_person_and_changes_nothing(self, bench: Bench) -> None:
        before = bench.file()
        take_away(bench)
        plan = bench.plan()
        (asked,) = bench.approvals()
        assert (plan["kind"], plan["approval"], asked["status"]) == ("approval", asked["id"], "pending")
        assert (asked["digest"], asked["previous_digest"]) == (plan["digest"], digest(before))
        assert asked["breaches"] == ["1 virtual MTA (aurora-1) would disappear"]
        assert "vmta aurora-1" in asked["summary"]
        assert "-<virtual-mta aurora-1>" in asked["diff"]
        assert bench.file() == before

    def test_people_are_told_what_to_click(self, bench: Bench) -> None:
        take_away(bench)
        bench.plan()
        with bench.db.session(tenant="*") as conn:
            told = alerts.pending(conn)[0]
        assert (told.event, told.object, told.severity) == ("deployment_approval", "mta-1", "warning")
        title, why, *_ = told.text.splitlines()
        assert title == "mta-1: a change waits for a person"
        assert why == "1 virtual MTA (aurora-1) would disappear"
        run = f"approval_{bench.approvals()[0]['id']}_"
        assert f"/dags/pmta_config_approval/runs/{run}" in told.text
        assert "/tasks/ask/required_actions" in told.text
        assert told.text.splitlines()[-1].startswith("On a phone: http")

    def test_the_same_change_is_asked_once_and_told_once(self, bench: Bench) -> None:
        take_away(bench)
        first, told = bench.plan(), len(bench.told())
        assert bench.plan()["approval"] == first["approval"]
        assert len(bench.told()) == told

    def test_a_newer_version_supersedes_the_question(self, bench: Bench) -> None:
        take_away(bench)
        bench.plan()
        bench.allow(2000, "aurora-2")
        bench.plan()
        assert [row["status"] for row in bench.approvals()] == ["superseded", "pending"]
        assert bench.approvals()[0]["reason"] == "superseded by fleet version 2"

    def test_a_version_that_needs_nobody_ends_the_question(self, bench: Bench) -> None:
        take_away(bench)
        bench.plan()
        bench.change(schema.ips, schema.ips.c.vmta_name == "aurora-1", removed=False)
        assert bench.plan()["kind"] == "at_once"
        assert bench.approvals()[0]["status"] == "superseded"

    def test_a_dry_run_asks_nobody(self, bench: Bench) -> None:
        take_away(bench)
        bench.plan(dry_run=True)
        assert bench.approvals() == []

    def test_a_person_who_accepts_the_breach_by_hand_is_not_asked(self, bench: Bench) -> None:
        take_away(bench)
        bench.plan()
        done = bench.deploy(accept_breach=True, reason="sold")
        assert done["status"] == "verified"
        assert bench.rows()[-1]["caused_by"] == "pmta_config_deploy: sold"
        assert bench.approvals()[0]["status"] == "superseded"

    def test_queued_mail_that_would_bounce_is_named(self, bench: Bench) -> None:
        bench.lab.knob("put_mail_in_queue", host="mta-1", vmta="aurora-1", domain="gmail.com", n=7)
        take_away(bench)
        bench.plan()
        assert any(
            "aurora-1 7; pause and drain it first" in said for said in bench.approvals()[0]["breaches"]
        )

    def test_a_file_edited_by_hand_is_not_overwritten_silently(self, bench: Bench) -> None:
        path = bench.root() / "etc/pmta/email-engine.conf"
        path.write_text(path.read_text() + "# by hand\n")
        assert bench.plan()["kind"] == "approval"
        assert "edited it by hand" in bench.approvals()[0]["breaches"][0]
        assert "-# by hand" in bench.approvals()[0]["diff"]

    def test_secrets_are_hidden_from_the_page(self, bench: Bench) -> None:
        path = bench.root() / "etc/pmta/email-engine.conf"
        path.write_text(path.read_text() + "http-api-key 0123456789abcdef0123456789abcdef\n")
        bench.plan()
        assert "0123456789abcdef" not in str(bench.approvals())


class TestAnswering:
    def test_an_approved_change_is_deployed_in_the_name_of_who_said_yes(self, bench: Bench) -> None:
        take_away(bench)
        bench.plan()
        conf = answer(bench, reason="customer left")
        done = deploy_approved(bench, **conf)
        assert done["status"] == "verified"
        assert "aurora-1" not in bench.running()["vmtas"]
        row = bench.rows()[-1]
        assert (row["approval_id"], row["caused_by"]) == (conf["approval"], "ada: customer left")
        assert bench.approvals()[0]["status"] == "approved"
        with bench.db.session(tenant="*") as conn:
            told = [a.text for a in alerts.pending(conn) if a.state.startswith("verified")]
        assert told[-1].splitlines()[-1] == "approved by ada: customer left"

    def test_an_approval_is_used_once(self, bench: Bench) -> None:
        take_away(bench)
        bench.plan()
        conf = answer(bench)
        done = deploy_approved(bench, **conf)
        with pytest.raises(AirflowFailException, match=f"deployment {done['deployment']} used it"):
            deploy_approved(bench, **conf)

    def test_an_approval_does_not_cover_what_the_fleet_wants_by_now(self, bench: Bench) -> None:
        take_away(bench)
        bench.plan()
        conf, before = answer(bench), bench.file()
        bench.allow(2000, "aurora-2")
        with pytest.raises(AirflowFailException, match="superseded: fleet version 2 wants another"):
            deploy_approved(bench, **conf)
        assert bench.file() == before

    def test_an_approval_does_not_cover_another_file_on_the_host(self, bench: Bench) -> None:
        take_away(bench)
        bench.plan()
        conf, path = answer(bench), bench.root() / "etc/pmta/email-engine.conf"
        path.write_text(path.read_text() + "# by hand\n")
        with pytest.raises(AirflowFailException, match="superseded: another configuration stands"):
            deploy_approved(bench, **conf)
        assert path.read_text().endswith("# by hand\n")

    def test_what_changes_between_the_approved_plan_and_its_deployment_stops_it(self, bench: Bench) -> None:
        take_away(bench)
        bench.plan()
        conf = answer(bench)
        plan = bench.plan(approval=conf["approval"])
        path = bench.root() / "etc/pmta/email-engine.conf"
        path.write_text(path.read_text() + "# by hand\n")
        with pytest.raises(AirflowFailException, match="changed after the plan"):
            bench.apply(plan, approval=conf["approval"])
        assert path.read_text().endswith("# by hand\n")

    def test_a_rejected_change_is_not_deployed_and_not_asked_again(self, bench: Bench) -> None:
        take_away(bench)
        bench.plan()
        with pytest.raises(
            AirflowSkipException, match="refused by ada: not now; nothing was changed on mta-1"
        ):
            answer(bench, "Reject", reason="not now")
        assert bench.plan()["approval"] == bench.approvals()[0]["id"]
        assert len(bench.approvals()) == 1
        with pytest.raises(AirflowFailException, match="it is refused"):
            bench.plan(approval=bench.approvals()[0]["id"])

    def test_no_answer_in_time_means_no_and_people_are_told(self, bench: Bench) -> None:
        take_away(bench)
        bench.plan()
        number = bench.approvals()[0]["id"]
        with pytest.raises(AirflowSkipException, match="is expired: nobody answered in time"):
            AskPerson(task_id="ask").execute_complete(
                bench.context(approval=number), {"error": "x", "error_type": "timeout"}
            )
        assert bench.approvals()[0]["status"] == "expired"
        assert ("deployment_approval", "mta-1", f"expired {number}") in bench.told()

    def test_an_answer_that_comes_too_late_changes_nothing_and_says_why(self, bench: Bench) -> None:
        take_away(bench)
        bench.plan()
        bench.allow(2000, "aurora-2")
        bench.plan()
        with pytest.raises(AirflowSkipException, match="superseded by fleet version 2; nothing was changed"):
            answer(bench, number=0)
        assert [row["status"] for row in bench.approvals()] == ["superseded", "pending"]

    def test_a_task_that_is_run_again_after_the_answer_gives_the_same(self, bench: Bench) -> None:
        take_away(bench)
        bench.plan()
        assert answer(bench, reason="yes") == answer(bench, reason="yes")

    def test_a_roll_back_and_a_run_for_one_tenant_stay_what_they_were(self, bench: Bench) -> None:
        take_away(bench, "borealis-1")
        bench.plan(tenant="borealis")
        conf = answer(bench)
        assert (conf["tenant"], conf["rollback_to"]) == ("borealis", None)
        assert deploy_approved(bench, **conf)["status"] == "verified"
        assert "borealis-1" not in bench.running()["vmtas"]


class TestThePersonsPage:
    def page(self, bench: Bench, monkeypatch: pytest.MonkeyPatch, **params: Any) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        monkeypatch.setattr(approval_operators, "upsert_hitl_detail", lambda **values: shown.update(values))
        context = bench.context(approval=bench.approvals()[-1]["id"], hours=12, **params)
        with pytest.raises(TaskDeferred) as caught:
            AskPerson(task_id="ask").execute(context | {"ti": type("Ti", (), {"id": "some-id"})()})
        return shown | {"trigger": caught.value.trigger, "timeout": caught.value.timeout}

    def test_it_says_what_is_asked_and_waits_in_a_trigger(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        take_away(bench)
        bench.plan(reason="spring clean")
        page = self.page(bench, monkeypatch)
        assert page["subject"] == "mta-1: deploy fleet version 1?"
        assert page["options"] == ["Approve", "Reject"]
        assert list(page["params"]) == ["reason"]
        for said in (
            "mta-1",
            "spring clean",
            "would disappear",
            "vmta aurora-1",
            "```diff\n@@",
            "-<virtual-mta aurora-1>",
        ):
            assert said in page["body"], said
        assert page["trigger"].approval_id == bench.approvals()[0]["id"]
        assert page["timeout"].total_seconds() > 12 * 3600

    def test_nobody_is_asked_what_has_an_answer(self, bench: Bench) -> None:
        take_away(bench)
        bench.plan()
        answer(bench)
        with pytest.raises(AirflowSkipException, match="is approved by ada"):
            AskPerson(task_id="ask").execute(bench.context(approval=bench.approvals()[0]["id"]))
        with pytest.raises(AirflowFailException, match="approval 0: not in the database"):
            AskPerson(task_id="ask").execute(bench.context())

    def test_runs_start_each_other_once(self, bench: Bench) -> None:
        take_away(bench)
        plan = bench.plan()
        with pytest.raises(DagRunTriggerException) as asking:
            StartAsking(task_id="ask", plan=plan).execute(bench.context())
        assert (asking.value.trigger_dag_id, asking.value.conf) == (
            "pmta_config_approval", {"approval": plan["approval"]},
        )  # fmt: skip
        assert asking.value.skip_when_already_exists
        conf = answer(bench)
        with pytest.raises(DagRunTriggerException) as deploying:
            StartDeploying(task_id="deploy", answer={"run_id": "approved_1", "conf": conf}).execute({})
        assert deploying.value.trigger_dag_id == "pmta_config_deploy"


class TestReductionsDoNotWait:
    def test_what_only_lowers_is_deployed_while_the_rest_waits(self, bench: Bench) -> None:
        take_away(bench)
        bench.allow(500, "aurora-2")
        bench.allow(5000, "aurora-3")
        plan = bench.plan()
        (done,) = bench.reduce(plan)
        assert done["status"] == "verified"
        assert (cap(bench, "aurora-2"), cap(bench, "aurora-3")) == ("600/d", "1200/d")
        assert "aurora-1" in bench.running()["vmtas"]
        row = bench.rows()[-1]
        assert row["caused_by"].endswith(f"(reductions only, the rest waits for approval {plan['approval']})")
        (asked,) = bench.approvals()
        assert (asked["digest"], asked["previous_digest"]) == (plan["digest"], digest(bench.file()))
        assert "600/d" not in asked["diff"]

    def test_the_approval_is_for_the_rest(self, bench: Bench) -> None:
        take_away(bench)
        bench.allow(500, "aurora-2")
        plan = bench.plan()
        bench.reduce(plan)
        assert bench.plan()["approval"] == plan["approval"]
        done = deploy_approved(bench, **answer(bench))
        assert done["digest"] == plan["digest"] == digest(bench.file())
        assert "aurora-1" not in bench.running()["vmtas"]

    def test_a_decision_stays_a_decision_after_its_reductions(self, bench: Bench) -> None:
        take_away(bench)
        bench.allow(500, "aurora-2")
        bench.allow(5000, "aurora-3")
        bench.reduce(bench.plan())
        bench.plan()
        assert bench.approvals()[-1]["breaches"] == ["1 virtual MTA (aurora-1) would disappear"]

    def test_a_file_edited_by_hand_stays_known_as_such_after_its_reductions(self, bench: Bench) -> None:
        path = bench.root() / "etc/pmta/email-engine.conf"
        path.write_text(path.read_text() + "# by hand\n")
        bench.allow(500, "aurora-2")
        (done,) = bench.reduce(bench.plan())
        assert bench.file().endswith("# by hand\n")
        assert (done["status"], cap(bench, "aurora-2")) == ("verified", "600/d")
        assert bench.plan()["kind"] == "approval"
        assert bench.file().endswith("# by hand\n")

    def test_what_must_stand_still_is_held_although_the_rest_waits(self, bench: Bench) -> None:
        take_away(bench)
        bench.change(schema.ips, schema.ips.c.vmta_name == "aurora-3", status="quarantine")
        bench.reduce(bench.plan())
        assert "*/aurora-3" in {s["queue"] for s in bench.host()["disabled_sources"]}
        assert cap(bench, "aurora-3") == "1/d"
        assert bench.running()["pools"]["aurora-newsletter"] == ["aurora-1", "aurora-2"]

    def test_nothing_is_let_go_while_the_rest_waits(self, bench: Bench) -> None:
        take_away(bench)
        bench.change(schema.ips, schema.ips.c.vmta_name == "aurora-4", status="warming")
        bench.allow(50, "aurora-4")
        bench.allow(500, "aurora-2")
        (done,) = bench.reduce(bench.plan())
        assert done["released"] == 0
        assert "*/aurora-4" in {s["queue"] for s in bench.host()["disabled_sources"]}

    def test_a_plan_that_only_lowers_needs_nobody_and_no_canary(self, bench: Bench) -> None:
        bench.allow(10)
        plan = bench.plan()
        assert (plan["kind"], plan["approval"]) == ("at_once", None)
        (done,) = bench.reduce(plan, watch_minutes=10)
        assert (done["status"], done["watch"]) == ("verified", False)
        assert cap(bench, "aurora-1") == "12/d"

    def test_nothing_to_lower_is_nothing_to_do(self, bench: Bench) -> None:
        take_away(bench)
        assert bench.reduce(bench.plan()) == []

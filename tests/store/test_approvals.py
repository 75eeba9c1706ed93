"""Questions to a person: one open a host, asked once, answered once, used once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from email_engine.errors import InputError, Refused
from email_engine.store import versions
from email_engine.store.deployment import approvals, deployments
from email_engine.store.deployment.approvals import Approval, Question
from email_engine.store.engine import Store
from tests.fleet_rows import add_host

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)


@pytest.fixture
def question(store: Store) -> Question:
    with store.session("*") as conn:
        add_host(conn)
        add_host(conn, "mta-2")
        version = versions.bump(conn, "test")
    return Question(
        "mta-1", version, "d1", "d0", ["2 virtual MTAs would disappear"], "2 go", "-a\n+b\n", "ops"
    )


def ask(store: Store, question: Question, at: datetime = NOON) -> Approval:
    with store.session("*") as conn:
        return approvals.ask(conn, question, at)


def found(store: Store, approval_id: int) -> Approval:
    with store.session("*") as conn:
        return approvals.find(conn, approval_id)


def test_a_question_keeps_what_was_asked(store: Store, question: Question) -> None:
    made = ask(store, question)
    assert (made.status, made.digest, made.previous_digest) == ("pending", "d1", "d0")
    assert made.breaches == ("2 virtual MTAs would disappear",)
    assert (made.caused_by, made.only_tenant, made.rollback_to) == ("ops", None, None)


@pytest.mark.parametrize("previous", ["d0", None], ids=["over a file", "over no file"])
def test_the_same_change_is_asked_once(store: Store, question: Question, previous: str | None) -> None:
    first = ask(store, replace(question, previous_digest=previous))
    assert ask(store, replace(question, previous_digest=previous), NOON + timedelta(hours=1)).id == first.id


@pytest.mark.parametrize("change", [{"digest": "d2"}, {"previous_digest": "d9"}], ids=["wanted", "standing"])
def test_another_change_supersedes_the_question_that_waits(
    store: Store, question: Question, change: dict[str, Any]
) -> None:
    first = ask(store, question)
    second = ask(store, replace(question, **change))
    assert second.id != first.id
    assert found(store, first.id).status == "superseded"
    assert found(store, first.id).reason == f"superseded by fleet version {question.fleet_version}"


def test_hosts_are_asked_about_at_the_same_time(store: Store, question: Question) -> None:
    first = ask(store, question)
    ask(store, replace(question, mta_host="mta-2"))
    assert found(store, first.id).status == "pending"


def test_what_was_refused_is_not_asked_again(store: Store, question: Question) -> None:
    first = ask(store, question)
    answer(store, first.id, "refused")
    assert ask(store, question).id == first.id


def test_what_expired_is_asked_again(store: Store, question: Question) -> None:
    first = ask(store, question)
    answer(store, first.id, "expired")
    assert ask(store, question).id != first.id


def test_a_question_that_nobody_waits_for_any_more_does_not_stand_in_the_way(
    store: Store, question: Question
) -> None:
    first = ask(store, question)
    second = ask(store, question, NOON + approvals.WAIT + approvals.LOST + timedelta(minutes=1))
    assert (found(store, first.id).status, second.status) == ("expired", "pending")


def answer(store: Store, approval_id: int, status: str = "approved") -> bool:
    with store.session("*") as conn:
        return approvals.answer(conn, approval_id, status, "ada", "meant", NOON)


def test_the_first_answer_counts(store: Store, question: Question) -> None:
    made = ask(store, question)
    assert answer(store, made.id)
    assert not answer(store, made.id, "refused")
    assert (found(store, made.id).status, found(store, made.id).answered_by) == ("approved", "ada")


def test_a_superseded_question_takes_no_answer(store: Store, question: Question) -> None:
    made = ask(store, question)
    with store.session("*") as conn:
        assert approvals.supersede(conn, "mta-1", "gone", NOON) == (made.id,)
    assert not answer(store, made.id)


class TestUse:
    def deploy(self, conn: Connection, made: Approval, digest: str, status: str) -> None:
        row = deployments.begin(
            conn, mta_host="mta-1", fleet_version=made.fleet_version, digest=digest, previous_digest="d0",
            config="", diff="", caused_by="test", dag_id=None, run_id=None, approval_id=made.id,
        )  # fmt: skip
        deployments.finish(conn, row, status, None, None, NOON)

    def test_an_approval_is_used_once(self, store: Store, question: Question) -> None:
        made = ask(store, question)
        answer(store, made.id)
        with store.session("*") as conn:
            assert approvals.require_usable(conn, made.id, "mta-1").answered_by == "ada"
            self.deploy(conn, made, "d1", "verified")
            with pytest.raises(Refused, match="used it"):
                approvals.require_usable(conn, made.id, "mta-1")

    def test_an_attempt_that_changed_nothing_and_the_reductions_before_it_do_not_use_it_up(
        self, store: Store, question: Question
    ) -> None:
        made = ask(store, question)
        answer(store, made.id)
        with store.session("*") as conn:
            self.deploy(conn, made, "d1", "failed")
            self.deploy(conn, made, "reductions", "verified")
            assert approvals.require_usable(conn, made.id, "mta-1").id == made.id

    @pytest.mark.parametrize("status", ["pending", "refused", "expired"])
    def test_only_what_a_person_approved_may_be_used(
        self, store: Store, question: Question, status: str
    ) -> None:
        made = ask(store, question)
        if status != "pending":
            answer(store, made.id, status)
        with store.session("*") as conn, pytest.raises(Refused, match=f"it is {status}"):
            approvals.require_usable(conn, made.id, "mta-1")

    def test_an_approval_is_for_its_host_only(self, store: Store, question: Question) -> None:
        made = ask(store, question)
        answer(store, made.id)
        with store.session("*") as conn:
            with pytest.raises(InputError, match="it is for mta-1"):
                approvals.require_usable(conn, made.id, "mta-2")
            with pytest.raises(InputError, match="not in the database"):
                approvals.require_usable(conn, 99, "mta-1")

"""A person's yes or no to a configuration, with a real scheduler, triggerer and API; runs after the main job."""

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from email_engine.store.schema import approvals, deployments
from tests.e2e.conftest import Everything, eventually, open_questions, respond

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

HOST = "mta-1"
CAP = re.compile(r"max-smtp-msg-rate \d+/d")


def rows(everything: Everything, table: Any) -> list[Any]:
    with everything.store.session(tenant="*") as conn:
        return list(conn.execute(select(table).where(table.c.mta_host == HOST).order_by(table.c.id)))


def file(everything: Everything) -> Path:
    return next(everything.settings.lab.rglob(f"{HOST}/etc/pmta/email-engine.conf"))


@pytest.fixture
def edited(everything: Everything) -> Path:
    """The host runs what the engine deployed, and then somebody edited the file by hand: the guard stops the next one."""
    if not any(row.status == "verified" for row in rows(everything, deployments)):
        everything.run("warmup_advance")
        everything.run("pmta_config_deploy", host=HOST)
    path = file(everything)
    edit(path, 2)
    return path


def edit(path: Path, cap: int) -> None:
    path.write_text(CAP.sub(f"max-smtp-msg-rate {cap}/d", path.read_text(), count=1))


def cap(path: Path) -> str:
    found = CAP.search(path.read_text())
    assert found
    return found.group().rpartition(" ")[2]


def deploy(everything: Everything) -> dict[str, Any]:
    """A run that the guard stops: it ends at once and well, and leaves a question."""
    run = everything.run("pmta_config_deploy", host=HOST, reason="follow the fleet")
    tasks = everything.tasks("pmta_config_deploy", run["dag_run_id"])
    assert (run["state"], tasks["ask[0]"], tasks["canary[-1]"]) == ("success", "success", "skipped"), tasks
    return dict(eventually("the question", lambda: open_questions(everything))[-1])


def test_a_newer_question_ends_the_old_one_and_a_yes_deploys(everything: Everything, edited: Path) -> None:
    old = deploy(everything)
    assert "edited it by hand" in old["body"]
    assert "-  max-smtp-msg-rate 2/d" in old["body"]
    assert "follow the fleet" in old["body"]
    assert cap(edited) == "2/d"

    edit(edited, 3)
    new = deploy(everything)
    ended = everything.wait("pmta_config_approval", old["task_instance"]["dag_run_id"])
    assert everything.tasks("pmta_config_approval", ended["dag_run_id"])["ask[-1]"] == "skipped"
    assert "superseded by fleet version" in everything.log("pmta_config_approval", ended["dag_run_id"], "ask")
    assert [one["task_instance"]["id"] for one in open_questions(everything)] == [new["task_instance"]["id"]]

    assert respond(everything, new, "Approve", reason="the edit was a mistake") == 200
    asking = everything.wait("pmta_config_approval", new["task_instance"]["dag_run_id"])
    assert asking["state"] == "success"
    approval = rows(everything, approvals)[-1]
    assert (approval.status, approval.answered_by) == ("approved", "admin")
    followed = eventually(
        "the deployment",
        lambda: [
            r
            for r in rows(everything, deployments)
            if r.approval_id == approval.id and r.status == "verified"
        ],
    )[0]
    assert followed.caused_by == "admin: the edit was a mistake"
    assert everything.wait("pmta_config_deploy", followed.run_id)["state"] == "success"
    assert cap(edited) not in ("2/d", "3/d")
    assert rows(everything, deployments)[-1].watched == "well"


def test_a_no_deploys_nothing(everything: Everything, edited: Path) -> None:
    question = deploy(everything)
    assert respond(everything, question, "Reject", reason="leave it") == 200
    asking = everything.wait("pmta_config_approval", question["task_instance"]["dag_run_id"])
    states = everything.tasks("pmta_config_approval", asking["dag_run_id"])
    assert (states["ask[-1]"], states["deploy[-1]"]) == ("skipped", "skipped")
    assert rows(everything, approvals)[-1].reason == "leave it"
    assert cap(edited) == "2/d"

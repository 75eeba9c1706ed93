"""The checklist: no check can hang it, break it, or put a secret into it."""

import threading

import pytest

from email_engine.doctor.finding import (
    DoctorFinding,
    Named,
    State,
    ok,
    render_checklist,
    run_all,
    run_check,
    wrong,
)
from email_engine.errors import Unreachable


def away() -> DoctorFinding:
    raise Unreachable(
        "PowerMTA host pmta@mta-1:22", "no answer", "an SSH server", "see whether the host is up"
    )


def broken() -> DoctorFinding:
    raise RuntimeError("password=hunter2secret")


def test_one_bad_check_never_stops_the_others() -> None:
    checks = [Named("a", away), Named("b", broken), Named("c", lambda: ok("c", "fine"))]
    found = run_all(checks)
    assert [f.state for f in found] == [State.WRONG, State.NOT_SEEN, State.OK]
    assert found[0].next_step == "see whether the host is up"
    assert "hunter2secret" not in f"{found}"


def test_a_check_that_hangs_is_told_in_time() -> None:
    forever, came_back = threading.Event(), threading.Event()

    def hangs() -> DoctorFinding:
        forever.wait(60)
        came_back.set()
        return ok("slow", "at last")

    found = run_check(Named("slow", hangs), 0.1)
    assert not came_back.is_set(), "it was told while the check still hung"
    assert (found.state, found.subject) == (State.WRONG, "slow")
    assert "no answer within 0.1 s" in found.seen
    forever.set()


@pytest.mark.parametrize(
    "text",
    ["password=hunter2secret", "http://u:hunter2secret@h", "-----BEGIN RSA PRIVATE KEY-----\nhunter2secret"],
)
def test_secrets_are_cut_from_what_a_check_says(text: str) -> None:
    found = run_check(Named("x", lambda: wrong("x", text, text)))
    assert "hunter2secret" not in f"{found}"


def test_the_checklist_says_the_next_step_below_what_is_wrong() -> None:
    text = render_checklist([ok("a", "fine"), wrong("b", "broken", "mend it")])
    assert text.splitlines() == ["ok        a: fine", "wrong     b: broken", "          Next: mend it"]

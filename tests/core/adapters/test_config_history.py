"""The history of configurations, read back with git itself."""

import multiprocessing
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from email_engine.adapters import config_history
from email_engine.adapters.config_history import ConfigHistory, OtherHistory
from email_engine.errors import Refused
from email_engine.pmta.config.history import ConfigVersion
from email_engine.pmta.config.layout import digest

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="reads back with the git binary")
pytestmark = needs_git


def version(
    number: int, text: str, host: str = "mta-1", status: str = "verified", **more: object
) -> ConfigVersion:
    made = ConfigVersion(
        deployment=number, host=host, text=text, status=status, digest=digest(text), previous_digest=None,
        fleet_version=10 + number, caused_by="warmup_advance", at=NOON + timedelta(hours=number),
        dag_id="pmta_config_deploy", run_id=f"run-{number}",
    )  # fmt: skip
    return replace(made, **more)


@pytest.fixture
def history(tmp_path: Path) -> ConfigHistory:
    return ConfigHistory(tmp_path / "config-history")


def git(history: ConfigHistory, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(history.path), *words], check=True, capture_output=True, text=True
    ).stdout


def subjects(history: ConfigHistory, *words: str) -> list[str]:
    return git(history, "log", "--reverse", "--format=%s", *words).splitlines()


def test_each_deployment_is_a_commit_with_author_date_run_and_decisions(history: ConfigHistory) -> None:
    first = version(1, "one\n")
    second = version(
        2, "two\n", caused_by="ops@example.com: caps of week two", previous_digest=first.digest, approval=7,
        decisions=(5, 3, 4, 9),
    )  # fmt: skip
    assert history.record([first, second]) == 2
    assert git(history, "log", "-1", "--format=%an|%ae|%cn|%aI|%cI").strip() == (
        "ops|ops@example.com|email-engine|2026-11-10T14:00:00+00:00|2026-11-10T14:00:00+00:00"
    )
    shown = git(history, "log", "-1", "--format=%s%n%b")
    assert shown.startswith("mta-1: deployment 2, fleet version 12\ncaps of week two\n")
    trailers = git(history, "log", "-1", "--format=%(trailers:only,unfold)").split("\n")
    assert trailers[:9] == [
        "Deployment: 2", "Result: verified", "Fleet-Version: 12", "DAG: pmta_config_deploy", "Run: run-2",
        f"Digest: {second.digest}", f"Previous: {first.digest}", "Approval: 7", "Decisions: 3-5, 9",
    ]  # fmt: skip
    assert git(history, "show", "deployment-1:mta-1/email-engine.conf") == "one\n"
    assert "-one\n+two\n" in git(history, "diff", "deployment-1", "deployment-2")
    git(history, "fsck", "--strict")


def test_hosts_have_files_of_their_own_in_one_line_of_commits(history: ConfigHistory) -> None:
    history.record([version(1, "a\n"), version(2, "b\n", "mta-2"), version(3, "c\n")])
    assert git(history, "ls-tree", "-r", "--name-only", "main").split() == [
        "mta-1/email-engine.conf", "mta-2/email-engine.conf",
    ]  # fmt: skip
    assert subjects(history, "--", "mta-2") == ["mta-2: deployment 2, fleet version 12"]
    assert git(history, "show", "main:mta-1/email-engine.conf") == "c\n"


def test_recording_twice_adds_nothing(history: ConfigHistory) -> None:
    versions = [version(1, "a\n"), version(2, "b\n", status="rolled_back")]
    assert history.record(versions) == 2
    before = git(history, "rev-parse", "main")
    assert history.record(versions) == 0
    assert git(history, "rev-parse", "main") == before
    assert history.missing([(1, "verified"), (2, "rolled_back"), (3, "verified")]) == (3,)


def test_a_deployment_that_was_taken_back_shows_what_was_tried_and_what_stands(
    history: ConfigHistory,
) -> None:
    history.record([version(1, "good\n"), version(2, "bad\n", status="rolled_back", failed_step="reload")])
    assert subjects(history) == [
        "mta-1: deployment 1, fleet version 11",
        "mta-1: deployment 2, fleet version 12",
        "mta-1: deployment 2 taken back at reload",
    ]
    assert git(history, "show", "main:mta-1/email-engine.conf") == "good\n"
    assert git(history, "show", "deployment-2:mta-1/email-engine.conf") == "bad\n"


def test_a_verified_deployment_may_be_taken_back_later(history: ConfigHistory) -> None:
    history.record([version(1, "good\n"), version(2, "worse\n"), version(3, "other\n", "mta-2")])
    late = version(2, "worse\n", status="rolled_back")
    assert history.missing([(1, "verified"), (2, "rolled_back"), (3, "verified")]) == (2,)
    history.record([late])
    assert git(history, "show", "main:mta-1/email-engine.conf") == "good\n"
    assert git(history, "show", "main:mta-2/email-engine.conf") == "other\n"
    assert len(subjects(history)) == 4


def test_the_first_deployment_taken_back_leaves_no_file(history: ConfigHistory) -> None:
    history.record([version(1, "bad\n", status="rolled_back")])
    assert git(history, "ls-tree", "-r", "--name-only", "main") == ""


def test_a_rollback_says_where_it_went(history: ConfigHistory) -> None:
    history.record([version(1, "a\n"), version(2, "b\n"), version(3, "a\n", rolled_back_to=1)])
    assert subjects(history)[-1] == "mta-1: back to deployment 1 as 3, fleet version 13"
    assert "Back-To: 1" in git(history, "log", "-1", "--format=%b")


def test_a_file_that_a_hand_wrote_is_kept_before_it_is_replaced(history: ConfigHistory) -> None:
    hand = "max-smtp-out 5\npassword hunter2\n"
    assert history.keep_foreign("mta-1", hand, NOON, "found by pmta_config_deploy run-1")
    assert not history.keep_foreign("mta-1", hand, NOON, "found by pmta_config_deploy run-1")
    history.record([version(1, "ours\n", previous_digest=digest(hand))])
    assert subjects(history) == ["mta-1: written by hand", "mta-1: deployment 1, fleet version 11"]
    assert git(history, "show", "main~1:mta-1/email-engine.conf") == "max-smtp-out 5\npassword (hidden)\n"
    assert f"Digest: {digest(hand)}" in git(history, "log", "-1", "--format=%b", "main~1")


def test_what_was_not_kept_is_said(history: ConfigHistory) -> None:
    history.record([version(1, "ours\n", previous_digest="0" * 64)])
    assert f"Previous: {'0' * 64} (its text was not kept)" in git(history, "log", "-1", "--format=%b")


def test_no_secret_enters_the_history(history: ConfigHistory) -> None:
    secret = "password hunter2\nhttp-api-key hunter2hunter2\n-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n"
    history.keep_foreign("mta-1", secret, NOON, "note")
    history.record([version(1, secret + "x\n"), version(2, secret + "y\n", status="rolled_back")])
    everything = git(history, "log", "-p", "--all", "--format=fuller")
    assert "hunter2" not in everything
    assert "Result: verified (secrets hidden)" in git(history, "log", "--format=%b")
    blobs = git(history, "cat-file", "--batch-all-objects", "--batch-check").split("\n")
    for name in (line.split()[0] for line in blobs if " blob " in line):
        assert "hunter2" not in git(history, "cat-file", "-p", name)


def test_odd_names_and_reasons_do_not_break_a_commit(history: ConfigHistory) -> None:
    odd = version(1, "a\n", caused_by="Eve <x>\n\0: first\nDeployment: 99", run_id="manual__2026\nRun: x")
    history.record([odd])
    assert git(history, "log", "-1", "--format=%an|%ae").strip() == "Eve x|Eve-x@email-engine.invalid"
    assert "Deployment: 99" not in git(history, "log", "-1", "--format=%(trailers)").splitlines()
    assert history.missing([(1, "verified"), (99, "verified")]) == (99,)
    git(history, "fsck", "--strict")


STEPS = ["_commit", "_advance", "_tag_head"]


@pytest.mark.parametrize("status", ["verified", "rolled_back"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_writer_killed_anywhere_leaves_nothing_out_and_nothing_twice(
    history: ConfigHistory, monkeypatch: pytest.MonkeyPatch, step: str, when: str, status: str
) -> None:
    history.record([version(1, "one\n")])
    real = getattr(config_history, step)

    class Killed(BaseException):
        pass

    def killed(*args: object) -> object:
        if step == "_tag_head" and not any(isinstance(a, str) for a in args) and calls.pop() > 1:
            return real(*args)
        if when == "after":
            real(*args)
        raise Killed

    calls = [1, 2]  # the first look at the tags is that of opening
    with monkeypatch.context() as patch:
        patch.setattr(config_history, step, killed)
        with pytest.raises(Killed):
            history.record([version(2, "two\n", status=status)])
    history.record([version(1, "one\n"), version(2, "two\n", status=status), version(3, "three\n", "mta-2")])
    commits = 3 if status == "verified" else 4
    assert len(subjects(history)) == commits
    tags = git(history, "tag").split()
    assert tags == sorted(
        ["deployment-1", "deployment-2", "deployment-3"]
        + (["deployment-2-taken-back"] if status == "rolled_back" else [])
    )
    git(history, "fsck", "--strict")


def test_a_deleted_repository_is_built_anew_and_the_same(history: ConfigHistory) -> None:
    versions = [version(1, "a\n"), version(2, "b\n", status="rolled_back"), version(3, "c\n", "mta-2")]
    history.record(versions)
    before = git(history, "rev-parse", "main")
    shutil.rmtree(history.path)
    assert history.missing([(1, "verified"), (2, "rolled_back"), (3, "verified")]) == (1, 2, 3)
    history.record(versions)
    assert git(history, "rev-parse", "main") == before


def test_the_history_of_another_database_is_not_mixed_up_with_ours(history: ConfigHistory) -> None:
    history.record([version(1, "a\n"), version(7, "b\n")])
    assert history.missing([(1, "verified"), (7, "verified"), (8, "verified")]) == (8,)
    for known in ([(1, "verified")], []):
        with pytest.raises(OtherHistory, match="ends with deployment 7"):
            history.missing(known)


def _write(path: Path, host: str, numbers: range, gate: object) -> None:
    gate.wait()  # type: ignore[attr-defined]
    history = ConfigHistory(path)
    for number in numbers:
        history.record([version(number, f"{number}\n", host)])


def test_two_writers_at_once_lose_nothing(history: ConfigHistory) -> None:
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(2)
    writers = [
        context.Process(target=_write, args=(history.path, host, numbers, gate))
        for host, numbers in (("mta-1", range(1, 9)), ("mta-2", range(11, 19)))
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(subjects(history)) == 16
    assert len(git(history, "tag").split()) == 16
    git(history, "fsck", "--strict")


def test_a_lock_that_a_killed_git_left_is_no_obstacle(history: ConfigHistory) -> None:
    history.record([version(1, "a\n")])
    (history.path / "refs" / "heads" / "main.lock").touch()
    assert history.record([version(2, "b\n")]) == 1


def test_a_folder_that_is_no_repository_is_refused_and_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "config-history"
    place.mkdir()
    (place / "precious").write_text("x")
    with pytest.raises(Refused, match="move it away"):
        ConfigHistory(place).record([version(1, "a\n")])
    assert (place / "precious").read_text() == "x"


def test_a_broken_repository_is_refused_with_the_way_out(history: ConfigHistory) -> None:
    history.record([version(1, "a\n")])
    for path in (history.path / "objects").rglob("*"):
        if path.is_file():
            os.chmod(path, 0o644)
            path.write_bytes(b"")
    with pytest.raises(Refused, match="builds it anew"):
        history.record([version(2, "b\n")])

"""A deployment whose database session was cut wakes up after a newer one was verified: the newer file stays, at every step."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
)
from sqlalchemy import make_url, text

from email_engine.adapters.powermta import PowerMta
from email_engine.errors import EngineError, NotVerified, Unreachable
from email_engine.pmta.config.layout import digest
from email_engine.store import schema as s
from email_engine.store.deployment import deployments
from email_engine.store.engine import Store
from email_engine.store.telling import alerts
from email_engine_airflow.operators.pmta_config_deploy import DeployHost, PlanDeploy, WatchHost
from lab.testing import RunningLab
from tests.integration.deploy_bench import connection
from tests.whole_lab import Whole, deployed

PATIENCE = 60.0
LEFTOVERS = ["config", "email-engine.conf", "email-engine.conf.email-engine.bak"]
Answer = Callable[[], Any]


@pytest.fixture
def whole(
    lab: RunningLab,
    store: Store,
    engine_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    postgres_url: str,
) -> Iterator[Whole]:
    """A first deployment runs (1,000 a day), and a raise to 2,000 waits."""
    with deployed(lab, store, engine_database_url, monkeypatch, postgres_url) as made:
        made.allow(2000, 1)
        yield made
    lab.knob("hang_command", seconds=0)
    lab.knob("fail_reload", times=0)


def folder(whole: Whole) -> Path:
    return next(Path(whole.lab.world["state"]).rglob("mta-1/etc/pmta"))


def file(whole: Whole) -> str:
    return (folder(whole) / "email-engine.conf").read_text()


def running(whole: Whole) -> str:
    return str(whole.lab.get("/powermta/mta-1/running")["digest"])


def plan(whole: Whole) -> dict[str, Any]:
    return PlanDeploy(task_id="plan", mta_host="mta-1").execute(whole.context("pmta_config_deploy"))


def apply(whole: Whole, planned: dict[str, Any], **params: Any) -> dict[str, Any]:
    context = whole.context("pmta_config_deploy", **params)
    return DeployHost(task_id="canary", plan=planned, watched=bool(params)).execute(context)


def rows(whole: Whole) -> list[tuple[int, str]]:
    return [(row.id, row.status) for row in whole.rows(s.deployments)]


def cut_lock_sessions(whole: Whole, postgres_url: str) -> int:
    """Ends every database session that holds a host's lock, as a network or an administrator does."""
    plain = make_url(postgres_url).set(drivername="postgresql")
    with whole.db.session(tenant="*") as conn:
        database = conn.execute(text("SELECT current_database()")).scalar_one()
    query = """SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
               WHERE l.locktype = 'advisory' AND d.datname = %s"""
    with psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True) as admin:
        return len(admin.execute(query, [database]).fetchall())


def ended(work: Answer) -> Any:
    """What a task returned, or what it raised."""
    try:
        return work()
    except (AirflowException, EngineError) as error:
        return error


class Late:
    """A task in a thread of its own that stands still at the n-th call of a method of `PowerMta`; others pass."""

    def __init__(
        self, patch: pytest.MonkeyPatch, method: str, call: int, work: Answer, after: bool = False
    ) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        self.outcome: Any = None
        self._work, self._calls = work, 0
        self.thread = threading.Thread(target=self._run)
        real = getattr(PowerMta, method)

        def stands_still(mta: PowerMta, *args: Any, **kwargs: Any) -> Any:
            if threading.current_thread() is not self.thread:
                return real(mta, *args, **kwargs)
            self._calls += 1
            done = real(mta, *args, **kwargs) if after and self._calls == call else None
            if self._calls == call:
                self.reached.set()
                assert self.go.wait(PATIENCE)
            return done if after and self._calls == call else real(mta, *args, **kwargs)

        patch.setattr(PowerMta, method, stands_still)

    def fails_to_verify(self, patch: pytest.MonkeyPatch) -> None:
        """In its own thread alone: so that it wants to go back."""
        real = PowerMta.vmta_settings

        def shown(mta: PowerMta, name: str) -> dict[str, Any]:
            if threading.current_thread() is self.thread:
                raise NotVerified("mta-1", "it shows another cap", "the one that was deployed", "none")
            return real(mta, name)

        patch.setattr(PowerMta, "vmta_settings", shown)

    def _run(self) -> None:
        self.outcome = ended(self._work)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The body runs while the task stands still; afterwards it goes on to its end."""
        self.thread.start()
        try:
            deadline = time.monotonic() + PATIENCE
            while not self.reached.wait(0.05):
                assert self.thread.is_alive(), f"it ended by itself: {self.outcome!r}"
                assert time.monotonic() < deadline, "it never came to the step"
            yield
        finally:
            self.go.set()
            self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


STEPS = {
    "looking": ("read", 1, False, False),
    "looked": ("read", 1, True, False),
    "upload": ("write", 1, False, False),
    "uploaded": ("write", 1, True, False),
    "backup": ("write", 2, False, False),
    "in the backup": ("rename", 1, False, False),
    "exchange": ("rename", 2, False, False),
    "exchanged": ("rename", 2, True, False),
    "test": ("test_config", 1, False, False),
    "reload": ("reload", 1, False, False),
    "reloaded": ("reload", 1, True, False),
    "verify": ("vmta_settings", 1, False, False),
    "restore, writing": ("write", 3, False, True),
    "restore, written": ("write", 3, True, True),
    "restore, exchange": ("rename", 3, False, True),
    "restore, exchanged": ("rename", 3, True, True),
    "restore, reload": ("reload", 2, False, True),
}


def late(whole: Whole, patch: pytest.MonkeyPatch, step: str, work: Answer) -> Late:
    method, call, after, fails = STEPS[step]
    made = Late(patch, method, call, work, after)
    if fails:
        made.fails_to_verify(patch)
    return made


def require_newest(whole: Whole, cap: str) -> None:
    assert f"max-smtp-msg-rate {cap}" in file(whole)
    assert running(whole) == digest(file(whole))
    newest = whole.rows(s.deployments)[-1]
    assert (newest.status, newest.digest) == ("verified", digest(file(whole)))
    assert "applying" not in {status for _, status in rows(whole)}
    assert sorted(path.name for path in folder(whole).iterdir() if path.is_file()) == LEFTOVERS
    assert plan(whole)["changed"] is False


@pytest.mark.parametrize("step", STEPS)
def test_cut_off_at_any_step_it_never_undoes_a_newer_deployment(
    whole: Whole, monkeypatch: pytest.MonkeyPatch, postgres_url: str, step: str
) -> None:
    older = plan(whole)
    first = late(whole, monkeypatch, step, lambda: apply(whole, older))
    with first.waiting():
        assert cut_lock_sessions(whole, postgres_url) == 1
        whole.allow(3000, 1)
        newer = apply(whole, plan(whole))
        assert newer["status"] == "verified"
    # Who looks only afterwards sees by itself that another file stands there than was planned for.
    outdated = step == "looking"
    assert isinstance(first.outcome, AirflowFailException if outdated else AirflowRescheduleException)
    require_newest(whole, "3600/d")
    assert rows(whole)[-1] == (newer["deployment"], "verified")
    assert apply(whole, older)["status"] == "unchanged"
    require_newest(whole, "3600/d")
    with whole.db.session(tenant="*") as conn:
        told = [a for a in alerts.pending(conn) if a.state == "Superseded"]
    assert told
    title = "out of date, nothing was changed" if outdated else "stopped, another one took its place"
    assert told[0].text.splitlines()[0] == (
        f"mta-1: a deployment was {title}" if outdated else f"mta-1: a deployment {title}"
    )


@pytest.mark.parametrize("step", STEPS)
def test_cut_off_while_nobody_else_comes_it_takes_the_lock_again_and_ends(
    whole: Whole, monkeypatch: pytest.MonkeyPatch, postgres_url: str, step: str
) -> None:
    fails, old, planned = STEPS[step][3], file(whole), plan(whole)
    first = late(whole, monkeypatch, step, lambda: apply(whole, planned))
    with first.waiting():
        assert cut_lock_sessions(whole, postgres_url) == 1
    if fails:
        assert isinstance(first.outcome, NotVerified)
        assert file(whole) == old
        assert running(whole) == digest(old)
        assert rows(whole)[-1][1] == "rolled_back"
    else:
        assert first.outcome["status"] == "verified"
        require_newest(whole, "2400/d")
    with deployments.host_lock(whole.db, "mta-1"):
        pass


@pytest.mark.parametrize("step", ["exchange", "test", "restore, exchange"])
def test_cut_off_while_the_newer_one_is_still_at_it_touches_nothing(
    whole: Whole, monkeypatch: pytest.MonkeyPatch, postgres_url: str, step: str
) -> None:
    older = plan(whole)
    first = late(whole, monkeypatch, step, lambda: apply(whole, older))
    with first.waiting():
        cut_lock_sessions(whole, postgres_url)
        whole.allow(3000, 1)
        newer = plan(whole)
        second = Late(monkeypatch, "knows_test_config", 1, lambda: apply(whole, newer))
        second.thread.start()
        assert second.reached.wait(PATIENCE)
    assert isinstance(first.outcome, AirflowRescheduleException)
    assert "max-smtp-msg-rate 3600/d" in file(whole)
    second.go.set()
    second.thread.join(PATIENCE)
    assert second.outcome["status"] == "verified"
    require_newest(whole, "3600/d")


def test_the_database_away_when_it_wants_to_go_back_leaves_the_host_to_the_next_run(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(whole)
    first = late(whole, monkeypatch, "restore, written", lambda: apply(whole, planned))

    def away(*_: Any) -> None:
        raise Unreachable("database engine", "no answer", "an answer", "see that PostgreSQL runs")

    with monkeypatch.context() as patch, first.waiting():
        patch.setattr(deployments.HostLock, "_holds", lambda lock: False)
        patch.setattr(deployments.HostLock, "_again", away)
        first.go.set()
        first.thread.join(PATIENCE)
    assert isinstance(first.outcome, Unreachable)
    assert rows(whole)[-1][1] == "applying"
    plan(whole)
    require_newest(whole, "2400/d")


@pytest.mark.parametrize("answers", [True, False], ids=["answers late", "is given up"])
def test_a_reload_that_hangs_for_minutes_loads_what_is_newest(
    whole: Whole, monkeypatch: pytest.MonkeyPatch, postgres_url: str, answers: bool
) -> None:
    """The first `pmta reload` is still at it on the host while the newer deployment comes and goes."""
    older = plan(whole)
    if not answers:
        monkeypatch.setenv("AIRFLOW_CONN_POWERMTA_MTA-1", connection(whole.lab, command_timeout=1))
    whole.lab.knob("hang_command", seconds=4, command="reload")
    reload, started, done = PowerMta.reload, threading.Event(), []

    def marked(mta: PowerMta) -> str:
        started.set()
        return reload(mta)

    thread = threading.Thread(target=lambda: done.append(ended(lambda: apply(whole, older))))
    with monkeypatch.context() as patch:
        patch.setattr(PowerMta, "reload", marked)
        thread.start()
        assert started.wait(PATIENCE)
        time.sleep(0.5)
        cut_lock_sessions(whole, postgres_url)
        whole.lab.knob("hang_command", seconds=0)
        monkeypatch.setenv("AIRFLOW_CONN_POWERMTA_MTA-1", connection(whole.lab))
        whole.allow(3000, 1)
        assert apply(whole, plan(whole))["status"] == "verified"
        thread.join(PATIENCE)
    assert isinstance(done[0], AirflowRescheduleException)
    require_newest(whole, "3600/d")


class TestWatch:
    """The watch's way back keeps to the same rule."""

    def worse(self, whole: Whole) -> dict[str, Any]:
        done = apply(whole, plan(whole), watch_minutes=10)
        assert done["watch"]
        with whole.db.session(tenant="*") as conn:
            deployments.note_watched(conn, done["deployment"], "worse", "2500 recipients are queued")
        return done

    def undo(self, whole: Whole, done: dict[str, Any]) -> Any:
        context = whole.context("pmta_config_deploy", watch_minutes=10)
        return WatchHost(task_id="watch", deployed=done).execute(context)

    @pytest.mark.parametrize(
        "step", ["looked", "upload", "in the backup", "exchange", "exchanged", "test", "reload", "reloaded"]
    )
    def test_cut_off_at_any_step_it_never_undoes_a_newer_deployment(
        self, whole: Whole, monkeypatch: pytest.MonkeyPatch, postgres_url: str, step: str
    ) -> None:
        done = self.worse(whole)
        first = late(whole, monkeypatch, step, lambda: self.undo(whole, done))
        with first.waiting():
            assert cut_lock_sessions(whole, postgres_url) == 1
            whole.allow(3000, 1)
            assert apply(whole, plan(whole))["status"] == "verified"
        assert isinstance(first.outcome, AirflowRescheduleException)
        require_newest(whole, "3600/d")
        with pytest.raises((AirflowSkipException, AirflowFailException)):
            self.undo(whole, done)
        require_newest(whole, "3600/d")

    def test_the_same_file_deployed_again_meanwhile_is_not_undone(self, whole: Whole) -> None:
        done = self.worse(whole)
        same = file(whole)
        whole.allow(1500, 1)
        apply(whole, plan(whole))
        whole.allow(2000, 1)
        with whole.db.session(tenant="*") as conn:
            deployments.note_watched(conn, done["deployment"], "superseded")
        apply(whole, {**plan(whole), "kind": "canary"})
        assert file(whole) == same
        with whole.db.session(tenant="*") as conn:
            deployments.note_watched(conn, done["deployment"], "worse", "2500 recipients are queued")
        with pytest.raises(AirflowSkipException, match="superseded"):
            self.undo(whole, done)
        assert file(whole) == same

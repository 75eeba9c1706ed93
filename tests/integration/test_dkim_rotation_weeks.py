"""A rotation over simulated weeks: no message leaves unsigned, or with a signature that receivers cannot verify, then or later."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from email_engine.adapters.powermta_session import Session
from email_engine.store import dkim_keys
from email_engine.store.engine import Store
from email_engine.store.versions import made_by
from lab.testing import RunningLab
from tests.core.dkim.fakes import DOMAINS
from tests.dkim_bench import Bench, dkim_bench, fast_resolver
from tests.signed_mail import delivered, publish, selector_of, verifies, zone_of
from tests.whole_lab import prepare, whole_lab

BOUNCE_AFTER = timedelta(days=4, hours=12)
WEEKS = 6
LAG = 3
"""Days that a person takes to publish what was asked for."""
AWAY = {4, 5, 24, 25}
"""Days on which the resolver is silent."""
LIES = {7}
"""Days on which it gives another key for the new selector."""
BLOCKED = {12, 13}
"""Days on which nobody deploys."""
GONE = 4
"""Days for which a mailbox provider is away from the day on which another key begins to sign: its mail waits, signed with the old one."""


class Killed(RuntimeError):
    """The task ended here."""


@pytest.fixture(scope="module")
def future_lab(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[RunningLab]:
    """Its clock is ahead of ours: what DNS and hosts show is never taken as older than now."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    with whole_lab(tmp_path_factory.mktemp("weeks"), postgres_url, start=tomorrow) as running:
        yield running


@pytest.fixture
def bench(
    future_lab: RunningLab,
    store: Store,
    engine_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Bench]:
    monkeypatch.setenv("EMAIL_ENGINE_CONFIG_HISTORY", str(tmp_path / "history"))
    whole = prepare(future_lab, store, engine_database_url, monkeypatch)
    whole.deploy()
    fast_resolver(monkeypatch, whole)
    with dkim_bench(whole) as made:
        yield made


def stumbling(patch: pytest.MonkeyPatch, chance: random.Random, rate: float) -> Counter[str]:
    """Before or after anything that changes something, the task may end; counts where it did."""
    ends: Counter[str] = Counter()

    def may_end(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            about_keys = not isinstance(args[0], Session) or "/dkim/" in str(args[1])
            when = chance.random() if about_keys else 1.0
            if when < rate / 2:
                ends[f"before {name}"] += 1
                raise Killed(name)
            done = work(*args, **kwargs)
            if when < rate:
                ends[f"after {name}"] += 1
                raise Killed(name)
            return done

        return wrapped

    for owner, names in ((dkim_keys, ("add", "move", "note")), (Session, ("write", "rename_new", "remove"))):
        for name in names:
            patch.setattr(owner, name, may_end(name, getattr(owner, name)))
    return ends


class Receivers:
    """Every message is verified when it arrives, and once more when the last copy of its like has left every queue."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.later: list[tuple[datetime, str]] = []
        self.bad: list[str] = []
        self.by_selector: Counter[str | None] = Counter()
        self.waited: list[timedelta] = []

    def read(self) -> None:
        zone, now = zone_of(self.bench.whole.lab), self.bench.whole.now
        for mail in delivered(self.bench.whole.lab):
            at = datetime.fromisoformat(mail["at"])
            self.by_selector[selector_of(mail["text"])] += 1
            self.waited.append(at - datetime.fromisoformat(mail["queued"]))
            if not verifies(mail["text"], zone):
                self.bad.append(f"{at} {mail['vmta']} {selector_of(mail['text'])}")
            self.later.append((at + BOUNCE_AFTER, mail["text"]))
        due = [text for at, text in self.later if at <= now]
        self.later = [(at, text) for at, text in self.later if at > now]
        self.bad += [f"later: {selector_of(text)} at {now}" for text in due if not verifies(text, zone)]


def hours(bench: Bench, receivers: Receivers, count: int, silent: bool) -> None:
    bench.mail(2)
    bench.mail(1, "yahoo.com")
    bench.advance(hours=count)
    if silent:
        bench.whole.lab.knob("silence_dns", on=False)
    receivers.read()
    if silent:
        bench.whole.lab.knob("silence_dns", on=True)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "at_receipt", [True, False], ids=["signed when it comes in", "signed when it leaves"]
)
def test_a_rotation_over_weeks_leaves_no_message_unsigned_or_unverifiable(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, at_receipt: bool
) -> None:
    lab, receivers, asked = bench.whole.lab, Receivers(bench), {}
    lab.knob("signs_at_receipt", on=at_receipt)
    lab.knob("traffic", ip="*", deferral_rate=0.3, hard_bounce_rate=0.0, block_rate=0.0)
    ends = stumbling(monkeypatch, random.Random(7), 0.15)
    pending, back, history = False, 0, []
    for day in range(7 * WEEKS):
        silent = day in AWAY
        lab.knob("silence_dns", on=silent)
        if day == back:
            lab.knob("unreachable", provider="yahoo", on=False)
        if day in LIES:
            publish(lab, "s1", DOMAINS[1], bench.keys(DOMAINS[1])["s1"].public_key)
            for domain in DOMAINS:
                for selector, key in bench.keys(domain).items():
                    if key.stage in ("made", "seen"):
                        publish(lab, selector, domain, bench.keys(domain)["s1"].public_key)
        hours(bench, receivers, 7, silent)
        run = bench.run(action="start" if day == 1 else "advance", tenant="aurora" if day == 1 else None)
        for name in ("ask", "make", "look", "sign", "retire", "remove", "remind"):
            for _ in range(20):
                try:
                    bench.steps(run, name)
                    break
                except Killed:
                    continue
        with bench.whole.db.session(tenant="*") as conn:
            signs_anew = made_by(conn, run.dag_id, run.run_id) is not None
        if signs_anew:
            pending, back = True, day + GONE
            lab.knob("unreachable", provider="yahoo", on=True)
        if pending and day not in BLOCKED:
            bench.whole.deploy()
            pending = False
        history.append(tuple(bench.stages().values()))
        hours(bench, receivers, 17, silent)
        waiting = [
            key
            for domain in DOMAINS
            for key in bench.keys(domain).values()
            if key.stage in ("made", "revoking")
        ]
        for key in waiting:
            asked.setdefault(key.record_name, day)
        late = [day - asked[key.record_name] >= LAG for key in waiting if key.stage == "made"]
        if any(key.stage == "revoking" for key in waiting) or any(late):
            bench.publish_what_is_asked()
            asked.clear()
    assert receivers.bad == []
    assert ends, "no task ended half-way: this proves nothing"
    for domain in DOMAINS:
        assert sorted(bench.stages(domain).values()) == ["removed", "signing"], history
    assert set(bench.signs.values()) == {
        s for d in DOMAINS for s, k in bench.keys(d).items() if k.stage == "signing"
    }
    assert sorted(f.name for f in bench.folder.iterdir()) == sorted(
        Path(k.key_path).name for d in DOMAINS for k in bench.keys(d).values() if k.stage == "signing"
    )
    assert None not in receivers.by_selector
    assert len(receivers.by_selector) == 2
    assert max(receivers.waited) > timedelta(days=3)

"""Decisions made again from plain JSON come out the same, and a forged one does not."""

import json
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from email_engine.errors import InputError
from email_engine.fleet.model import IpState, Pause
from email_engine.fleet.traffic import DayCounts
from email_engine.warmup.explain import Recorded, decide_again
from email_engine.warmup.observation import DnsHealth, IpObservation, midnight
from email_engine.warmup.plan import IpDecision, Quotas, plan_tenant
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.snapshot import observation_document, observation_of, policy_document, policy_of
from tests.core.warmup.worlds import DAY, NEXT, observation

POLICY = load_policy()


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def random_observation(number: int, dice: random.Random) -> IpObservation:
    days = tuple(
        DayCounts(
            DAY - timedelta(days=n),
            dice.choice([0, 45, 50, 2000]),
            dice.choice([0, 0, 1, 9]),
            3,
            dice.choice([0, 0, 0, 4]),
        )
        for n in reversed(range(dice.randint(0, 30)))
    )
    ip = {
        "state": dice.choice(list(IpState)),
        "phase": dice.randint(1, 6),
        "stream": dice.choice(["newsletter", "prospects"]),
        "daily_target": dice.choice([500, 10_000]),
        "pause": dice.choice(
            [None, Pause(None), Pause(midnight(DAY)), Pause(midnight(NEXT + timedelta(days=5)))]
        ),
        "blacklisted_on": dice.choice([(), (), ("zen.example",)]),
    }
    return observation(
        days,
        number=number,
        ip=ip,
        standing=dice.choice([0, 50, 1000]),
        dns=dice.choice(list(DnsHealth)),
        blocklists_known=dice.random() < 0.8,
        last_stop_at=dice.choice([None, midnight(DAY - timedelta(days=9))]),
    )


def recorded(ip_decision: IpDecision, **changes: Any) -> Recorded:
    row = Recorded(
        subject=str(ip_decision.observation.ip.address),
        day=DAY,
        action=str(ip_decision.proposal.action),
        reason=ip_decision.reason,
        inputs=through_json(
            ip_decision.inputs
            | {"effective": NEXT.isoformat()}
            | ip_decision.result
            | {"observed": observation_document(ip_decision.observation)}
        ),
        verdicts=through_json(ip_decision.verdicts),
        policy_digest=POLICY.digest,
        run_id="run-1",
    )
    return replace(row, **changes)


def party(seed: int, count: int = 12) -> list[Recorded]:
    dice = random.Random(seed)
    seen = [random_observation(n, dice) for n in range(1, count + 1)]
    quotas = Quotas(dice.choice([900, 30_000]), {"prospects": 400} if dice.random() < 0.5 else {})
    return [recorded(ip_decision) for ip_decision in plan_tenant(seen, POLICY, quotas, DAY, NEXT)]


@pytest.mark.parametrize("seed", range(30))
def test_what_goes_through_json_is_the_same_observation(seed: int) -> None:
    seen = random_observation(seed + 1, random.Random(seed))
    assert observation_of(through_json(observation_document(seen))) == seen


def test_a_policy_keeps_its_digest() -> None:
    again = policy_of(through_json(policy_document(POLICY)))
    assert again == POLICY
    assert again.digest == POLICY.digest


@pytest.mark.parametrize("seed", range(40))
def test_every_decision_made_again_agrees(seed: int) -> None:
    rows = party(seed)
    random.Random(seed).shuffle(rows)
    for row in rows:
        assert decide_again(row, rows, policy_of(through_json(policy_document(POLICY)))).differences == ()


def test_others_of_the_day_that_shared_no_pot_count_for_nothing() -> None:
    rows = party(3)
    unknown_sources = [replace(row, run_id="run-2") for row in party(4)]
    assert decide_again(rows[0], [*rows, *unknown_sources], POLICY).agrees


@pytest.mark.parametrize(
    ("field", "value"),
    [("action", "graduate"), ("reason", "Because."), ("verdicts", {"bounces": {"verdict": "pass"}})],
)
def test_a_row_that_was_tampered_with_does_not_agree(field: str, value: Any) -> None:
    rows = party(5)
    forged = replace(rows[0], **{field: value})
    again = decide_again(forged, rows, POLICY)
    assert not again.agrees
    assert [name for name, _, _ in again.differences] == [field]


def test_a_forged_allowance_does_not_agree() -> None:
    rows = party(5)
    forged = replace(rows[0], inputs={**rows[0].inputs, "allowance": 123_456})
    assert [d[0] for d in decide_again(forged, rows, POLICY).differences] == ["allowance"]


def test_another_policy_does_not_agree() -> None:
    rows = party(6)
    agree = [decide_again(row, rows, POLICY).agrees for row in rows]
    slower = replace(POLICY, pause_days=8, quarantine_days=8, unwarmed_max=10, share_step=7)
    assert all(agree)
    assert not all(decide_again(row, rows, slower).agrees for row in rows)


@pytest.mark.parametrize("observed", [None, {"ip": "nonsense"}])
def test_a_row_without_a_snapshot_says_so(observed: Any) -> None:
    rows = party(7)
    old = replace(rows[0], inputs={**rows[0].inputs, "observed": observed})
    with pytest.raises(InputError, match="cannot be made again"):
        decide_again(old, [old], POLICY)

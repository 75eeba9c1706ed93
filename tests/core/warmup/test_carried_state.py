"""What a decision leaves behind for the next day's decision."""

from datetime import date, timedelta
from typing import Any

import pytest

from email_engine.fleet.model import Pause
from email_engine.warmup.carried_state import CarriedState, carried_state_after
from email_engine.warmup.observation import midnight
from email_engine.warmup.plan import IpDecision
from email_engine.warmup.proposal import Action, Proposal
from tests.core.warmup.worlds import DAY, NEXT, observation

BEGAN = NEXT - timedelta(days=9)
STOP = midnight(NEXT - timedelta(days=20))
UNTIL = Pause(midnight(NEXT + timedelta(days=7)))


def after(
    action: Action, paused: Pause | None = None, began: date | None = BEGAN, **proposal: Any
) -> CarriedState:
    seen = observation(ip={"phase": 3, "pause": paused}, phase_started_on=began, last_stop_at=STOP)
    chosen = Proposal(action, "Because", 50, **{"phase": 3, "sent_days": 4} | proposal)
    return carried_state_after(IpDecision(seen, chosen, 50, "Because.", DAY), NEXT)


STANDS = CarriedState(3, 4, BEGAN, None, STOP, {}, {}, None)


@pytest.mark.parametrize(
    ("action", "given", "expected"),
    [
        (Action.STAY, {}, STANDS),
        (Action.HOLD, {"paused": UNTIL}, CarriedState(3, 4, BEGAN, UNTIL, STOP, {}, {}, None)),
        (Action.STAY, {"began": None}, CarriedState(3, 4, NEXT, None, STOP, {}, {}, None)),
        (
            Action.ADVANCE,
            {"phase": 4, "sent_days": 0, "new_phase": True},
            CarriedState(4, 0, NEXT, None, STOP, {}, {}, None),
        ),
        (Action.STAY, {"throttle_factors": {"*": 0.5}}, CarriedState(3, 4, BEGAN, None, STOP, {"*": 0.5}, {}, None)),
        (
            Action.PAUSE,
            {"pause": UNTIL, "blames": False, "cause": "list problem"},
            CarriedState(3, 4, BEGAN, UNTIL, STOP, {}, {}, midnight(NEXT)),
        ),
        (
            Action.PAUSE,
            {"pause": UNTIL, "blames": False},
            CarriedState(3, 4, BEGAN, UNTIL, STOP, {}, {}, None),
        ),
        (Action.PAUSE, {"pause": UNTIL}, CarriedState(3, 4, BEGAN, UNTIL, midnight(NEXT), {}, {}, None)),
        (
            Action.RESUME,
            {"paused": Pause(midnight(NEXT)), "phase": 2, "sent_days": 0, "new_phase": True},
            CarriedState(2, 0, NEXT, None, STOP, {}, {}, None),
        ),
        (Action.QUARANTINE, {"paused": UNTIL}, CarriedState(3, 4, BEGAN, None, midnight(NEXT), {}, {}, None)),
        (
            Action.START,
            {"paused": UNTIL, "phase": 1, "sent_days": 0, "new_phase": True},
            CarriedState(1, 0, NEXT, None, STOP, {}, {}, None),
        ),
    ],
    ids=[
        "nothing moves", "a pause goes on", "the first decision begins the phase", "an advance begins a phase",
        "a speed that was taken stays", "a pause for a bad list is no stop", "nor is one by hand", "a pause is a stop", "a pause ends", "a quarantine is a stop and ends the pause", "a start ends the pause",
    ],
)  # fmt: skip
def test_a_decision_leaves_its_footing(action: Action, given: dict[str, Any], expected: CarriedState) -> None:
    assert after(action, **given) == expected

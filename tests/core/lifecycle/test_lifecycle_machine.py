"""The table of transitions, walked pair by pair."""

import pytest

from email_engine.errors import InputError
from email_engine.fleet.model import IpState
from email_engine.lifecycle.machine import MEANING, TRANSITIONS, Event, next_state

S, E = IpState, Event
TROUBLE = {E.LISTED, E.TRIPWIRE, E.SECOND_STOP, E.QUARANTINE}
DESIGNED = {
    (S.STANDBY, E.START): S.WARMING,
    (S.WARMING, E.GRADUATE): S.ACTIVE,
    (S.ACTIVE, E.RETIRE): S.RETIRING,
    (S.RETIRING, E.DRAINED): S.RESTING,
    (S.RESTING, E.RESTED): S.STANDBY,
    (S.QUARANTINE, E.CLEAN): S.RESTING,
    (S.QUARANTINE, E.REENTER): S.WARMING,
    (S.QUARANTINE, E.ABANDON): S.ABANDONED,
    **{(state, event): S.QUARANTINE for state in (S.WARMING, S.ACTIVE, S.RETIRING) for event in TROUBLE},
}


@pytest.mark.parametrize("event", Event, ids=str)
@pytest.mark.parametrize("state", IpState, ids=str)
def test_every_pair_leads_where_the_design_says_or_is_refused_by_name(state: IpState, event: Event) -> None:
    wanted = DESIGNED.get((state, event))
    if wanted:
        assert next_state(state, event) is wanted
        return
    with pytest.raises(InputError, match=f"event {event} in state {state}: no such transition"):
        next_state(state, event)


def test_every_state_has_its_row_and_every_event_its_meaning() -> None:
    assert set(TRANSITIONS) == set(IpState)
    assert set(MEANING) == set(Event)
    assert {event for events in TRANSITIONS.values() for event in events} == set(Event)


def test_events_are_known_by_their_text() -> None:
    assert next_state(S.STANDBY, "start") is S.WARMING


@pytest.mark.parametrize(
    ("state", "expected"),
    [(S.STANDBY, "expected start"), (S.ABANDONED, "no event: the state is final")],
    ids=["one way out", "final"],
)
def test_an_unknown_event_names_event_state_and_what_is_known(state: IpState, expected: str) -> None:
    with pytest.raises(InputError) as refused:
        next_state(state, "explode")
    assert f"event explode in state {state}" in str(refused.value)
    assert expected in str(refused.value)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[S.STANDBY] = {}  # type: ignore[index]

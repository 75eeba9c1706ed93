"""Whole lives under the shipped policy: good IPs warm up on time, bad ones never, whatever the dice say."""

import random
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest

from email_engine.fleet.model import Pause
from email_engine.fleet.traffic import DayCounts
from email_engine.simulation.chance import binomial
from email_engine.warmup.decide import decide_days
from email_engine.warmup.observation import IpObservation, midnight
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.proposal import Proposal
from tests.core.warmup.worlds import observation

POLICY = load_policy()
BIRTH = date(2026, 9, 1)
DAYS = 50


@dataclass
class Life:
    """One IP in six_week that is handed 92 to 100 % of its allowance each day; `actions`: of each evening so far."""

    dice: random.Random
    bounce_rate: float
    complaint_rate: float
    history: list[DayCounts] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    phase: int = 1
    began: date = BIRTH
    stopped: date | None = None
    paused: Pause | None = None
    allowance: int = 50

    def evening(self, day: date) -> IpObservation:
        if self.allowance:
            sent = int(self.allowance * self.dice.uniform(0.92, 1))
            bounced = binomial(self.dice, sent, self.bounce_rate)
            complained = binomial(self.dice, sent - bounced, self.complaint_rate)
            self.history.append(DayCounts(day, sent - bounced, bounced, 0, complained))
        return observation(
            self.history[-30:],
            ip={"phase": self.phase, "pause": self.paused},
            given=self.allowance,
            standing=self.allowance,
            fresh_through=midnight(day + timedelta(days=1)),
            phase_started_on=self.began,
            last_stop_at=self.stopped and midnight(self.stopped),
        )

    def go_on(self, proposal: Proposal, following: date) -> None:
        self.actions.append(str(proposal.action))
        self.allowance, self.phase, self.paused = proposal.wanted, proposal.phase, proposal.pause
        self.began = following if proposal.new_phase else self.began
        self.stopped = following if proposal.action == "pause" else self.stopped

    @property
    def ended(self) -> bool:
        return self.actions[-1:] in (["graduate"], ["quarantine"])


def lives(bounce_rate: float, complaint_rate: float, count: int = 40) -> list[Life]:
    """Each alone with its dice; judged together, as that takes less time."""
    every = [Life(random.Random(f"42/{n}"), bounce_rate, complaint_rate) for n in range(count)]
    for number in range(DAYS):
        going = [life for life in every if not life.ended]
        day, following = BIRTH + timedelta(days=number), BIRTH + timedelta(days=number + 1)
        proposals = decide_days([life.evening(day) for life in going], POLICY, day, following)
        for life, proposal in zip(going, proposals, strict=True):
            life.go_on(proposal, following)
    return every


def test_a_good_ip_is_warm_after_six_weeks() -> None:
    ends = [(len(life.actions), life.actions[-1]) for life in lives(0.01, 0.0001)]
    assert sum(end == (42, "graduate") for end in ends) >= 38


@pytest.mark.parametrize(
    ("bounce_rate", "complaint_rate"),
    [(0.08, 0.0003), (0.02, 0.003)],
    ids=["8 % bounces", "0.3 % complaints"],
)
def test_a_bad_ip_never_gets_warm_and_is_stopped(bounce_rate: float, complaint_rate: float) -> None:
    found = lives(bounce_rate, complaint_rate, 100)
    assert not any("graduate" in life.actions for life in found)
    stopped = [life for life in found if {"pause", "quarantine"} & set(life.actions)]
    assert len(stopped) >= 0.8 * len(found)

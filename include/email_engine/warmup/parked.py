"""Parked IPs: quarantine, rest and standby wait for time, block lists and DNS; never for traffic, which they have not."""

from datetime import date, timedelta

from email_engine.fleet.model import IpState
from email_engine.plural import amount, brief
from email_engine.warmup.observation import DnsHealth, IpObservation, midnight
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import Action, Proposal
from email_engine.warmup.rotation import reentry_phase

NO_BLOCKLISTS = "no block list answered about it lately"
LONGEST_HOLDER = 120
"""Characters of who holds a brake and why: that may be a whole decision."""


def obstacle(observation: IpObservation) -> str | None:
    """What forbids to release the IP, in a few words; None if nothing does."""
    if observation.held_by:
        return f"its brake is held by {brief(observation.held_by, LONGEST_HOLDER)}"
    if observation.ip.blacklisted_on:
        return f"it is listed on {', '.join(observation.ip.blacklisted_on)}"
    if observation.ip.domain_listed_on:
        return f"a list of domains holds {', '.join(observation.ip.domain_listed_on)}"
    if observation.dns is DnsHealth.BROKEN:
        return f"its DNS is broken ({', '.join(observation.dns_broken)})"
    return None


def unknown(observation: IpObservation) -> str | None:
    """Which signal about the IP itself is missing, in a few words; None if none is. Unknown is not good."""
    if observation.dns is DnsHealth.UNKNOWN:
        return "its DNS was not checked lately"
    if observation.ip.mailwizz_server_id is None:
        return (
            f"no delivery server of {observation.ip.mailwizz} names its virtual MTA {observation.ip.vmta} yet"
        )
    return None if observation.blocklists_known else NO_BLOCKLISTS


def _stay(observation: IpObservation, reason: str, action: Action = Action.STAY) -> Proposal:
    cause = "parked" if action is Action.HOLD else None
    return Proposal(action, reason, wanted=0, phase=observation.ip.phase, cause=cause)


def decide_parked(observation: IpObservation, policy: Policy, effective: date) -> Proposal:
    """The choice for an IP in standby, quarantine, rest or abandoned; `effective` is the UTC day that is planned."""
    match observation.ip.state:
        case IpState.QUARANTINE:
            return _quarantine(observation, policy, effective)
        case IpState.RESTING:
            return _resting(observation, policy, effective)
        case IpState.STANDBY:
            return _standby(observation, policy, effective)
        case _:
            return _stay(observation, "It is abandoned for good")


def _quarantine(observation: IpObservation, policy: Policy, effective: date) -> Proposal:
    ip = observation.ip
    end = ip.quarantine_until or ip.state_since + timedelta(days=policy.quarantine_days)
    if end > midnight(effective):
        return _stay(observation, f"Quarantine lasts until {end:%Y-%m-%d}")
    if blocked := obstacle(observation):
        return _stay(observation, f"Quarantine is over by date, but {blocked}", Action.HOLD)
    if not observation.blocklists_known:
        return _stay(observation, f"Quarantine is over by date, but {NO_BLOCKLISTS}", Action.HOLD)
    if observation.awaited:
        return _stay(observation, f"Quarantine is over by date, but {observation.awaited}", Action.HOLD)
    if observation.minor_listing and observation.quarantined_from in (IpState.WARMING, IpState.ACTIVE):
        return _reenter(observation, policy, observation.quarantined_from)
    reason = f"Quarantine ended on {end:%Y-%m-%d} and no block list holds it, so it rests {amount(policy.rest_days, 'day')}"
    return Proposal(Action.CLEAN, reason, wanted=0, phase=1, event="clean", new_phase=True)


def _reenter(observation: IpObservation, policy: Policy, stopped_in: IpState) -> Proposal:
    if missing := unknown(observation):
        return _stay(observation, f"After a minor listing it may warm again, but {missing}", Action.HOLD)
    stages = policy.schedules[observation.ip.schedule].stages
    phase = reentry_phase(stopped_in, observation.ip.phase, len(stages), policy.reentry_phases_back)
    wanted = min(stages[phase - 1], observation.ip.daily_target)
    reason = f"One minor listing stopped it and ended by itself, so it warms again in phase {phase} at {amount(wanted, 'message')} a day"
    return Proposal(Action.REENTER, reason, wanted, phase, event="reenter", new_phase=True)


def _resting(observation: IpObservation, policy: Policy, effective: date) -> Proposal:
    end = observation.ip.state_since + timedelta(days=policy.rest_days)
    if end > midnight(effective):
        return _stay(observation, f"It rests until {end:%Y-%m-%d}")
    if blocked := obstacle(observation):
        return _stay(observation, f"Its rest is over by date, but {blocked}", Action.HOLD)
    if not observation.blocklists_known:
        return _stay(observation, f"Its rest is over by date, but {NO_BLOCKLISTS}", Action.HOLD)
    reason = f"Its rest of {amount(policy.rest_days, 'day')} is over, so it stands by"
    return Proposal(Action.RESTED, reason, wanted=0, phase=1, event="rested", new_phase=True)


def _standby(observation: IpObservation, policy: Policy, effective: date) -> Proposal:
    ip = observation.ip
    if blocked := obstacle(observation):
        return _stay(observation, f"It stands by and may not start, because {blocked}", Action.HOLD)
    ready = observation.clean_since + timedelta(days=policy.clean_days)
    if ready > midnight(effective):
        return _stay(
            observation,
            f"It stands by until it was clean for {amount(policy.clean_days, 'day')}, on {ready:%Y-%m-%d}",
        )
    if not policy.auto_start_standby:
        return _stay(observation, "It stands by, clean and ready, until a person starts it")
    if missing := unknown(observation):
        return _stay(observation, f"It stands by and may not start, because {missing}", Action.HOLD)
    stage = policy.schedules[ip.schedule].stages[0]
    reason = f"It was clean for {amount(policy.clean_days, 'day')}, so it starts to warm at {amount(stage, 'message')} a day"
    return Proposal(Action.START, reason, wanted=stage, phase=1, event="start", new_phase=True)

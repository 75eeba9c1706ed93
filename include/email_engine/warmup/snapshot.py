"""Observations and policies as plain JSON, so that a decision can be made again from what it was made of."""

from typing import Any

from pydantic import TypeAdapter

from email_engine.warmup.observation import IpObservation
from email_engine.warmup.policy import Policy

_OBSERVATION = TypeAdapter(IpObservation)
_POLICY = TypeAdapter(Policy)


def observation_document(observation: IpObservation) -> dict[str, Any]:
    """Everything that a decision may look at, as plain JSON."""
    document: dict[str, Any] = _OBSERVATION.dump_python(observation, mode="json")
    return document


def observation_of(document: dict[str, Any]) -> IpObservation:
    """The observation again; raises ValueError for a document of another release."""
    return _OBSERVATION.validate_python(document)


def policy_document(policy: Policy) -> dict[str, Any]:
    """The policy's values, as plain JSON."""
    document: dict[str, Any] = _POLICY.dump_python(policy, mode="json")
    return document


def policy_of(document: dict[str, Any]) -> Policy:
    """The policy again, with the same digest; raises ValueError for a document of another release."""
    return _POLICY.validate_python(document)

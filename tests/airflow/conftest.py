"""What Airflow's own servers would do for operators and triggers that run without them."""

import pytest

from tests.hitl_answers import Answers


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """A person's answers to questions; nobody answers unless a test says so."""
    made = Answers()
    monkeypatch.setattr("airflow.sdk.execution_time.hitl.get_hitl_detail_content_detail", made.read)
    return made

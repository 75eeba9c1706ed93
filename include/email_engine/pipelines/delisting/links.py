"""Names and addresses of the runs that follow listings up."""

from datetime import datetime

from email_engine.blocklists.delisting import Part
from email_engine.pipelines import trouble

DELISTING = "delisting"
TRANSITION = "ip_transition"
TASKS = {Part.STANDING: "ask", Part.OVER: "ask_afterwards"}
"""The task that asks each question."""


def run_of(listing_id: int, since: datetime) -> str:
    """The run that follows a listing: started twice, it is one."""
    return f"listing_{listing_id}_{since:%Y%m%dT%H%M%S}"


def question_url(run_id: str, part: Part, base_url: str) -> str:
    """Where to answer."""
    return trouble.question_url(base_url, DELISTING, run_id, TASKS[part])

"""Names and addresses of the runs that follow listings up."""

from datetime import datetime

from email_engine.blocklists.delisting import Part
from email_engine.pipelines.trouble import log_url

DELISTING = "delisting"
TRANSITION = "ip_transition"
TASKS = {Part.STANDING: "ask", Part.OVER: "ask_afterwards"}
"""The task that asks each question."""


def run_of(listing_id: int, since: datetime) -> str:
    """The run that follows a listing: started twice, it is one."""
    return f"listing_{listing_id}_{since:%Y%m%dT%H%M%S}"


def question_url(run_id: str, part: Part, base_url: str) -> str:
    """Where to answer."""
    return f"{log_url(base_url, DELISTING, run_id, TASKS[part], None)}/required_actions"


def open_questions_url(base_url: str) -> str:
    """The list of questions that wait: the sign in a row opens its question as wide as a phone."""
    return f"{base_url.rstrip('/')}/required_actions"

"""What of MailWizz's tables could not be read, and why."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unreadable:
    """`absent`: this MailWizz has no such table or column, so there is nothing to ask; else nothing is known of it."""

    told: str
    next_step: str = ""
    absent: bool = False

"""Why one delivery server was not written as it was to be: the errors, whichever way it was tried."""

from email_engine.adapters.mailwizz_failures import RowLocked
from email_engine.errors import EngineError, NotVerified, Refused
from email_engine.mailer.model import Setting


def absent(subject: str) -> Refused:
    return Refused(subject, "no such row", "a delivery server", "correct mailwizz_server_id in fleet.yaml")


def unlimited(subject: str, daily: int, hourly: int) -> Refused:
    return Refused(
        subject, f"quotas {daily} a day and {hourly} an hour", "1 or more (0 is unlimited)", "disable the server instead"
    )  # fmt: skip


def planned(subject: str) -> Refused:
    return Refused(
        subject, "MailWizz's own warm-up plan is active", "no plan, or a completed one",
        "end the plan in MailWizz; at its end it would set all quotas to unlimited",
    )  # fmt: skip


def changed_meanwhile(subject: str, now: Setting) -> Refused:
    return Refused(
        subject, f"the row changed meanwhile: {_text(now)}", "the row as it was read", "run the sync again; it reads anew"
    )  # fmt: skip


def not_verified(subject: str, now: Setting | None, wanted: str) -> NotVerified:
    """`now`: None where the row is gone."""
    return NotVerified(
        subject, f"reading back shows {_text(now) if now else 'no such row'}", wanted,
        "look who else writes to this table (triggers, MailWizz's hourly command)",
    )  # fmt: skip


def not_read_back(subject: str, wanted: str, error: EngineError) -> NotVerified:
    return NotVerified(subject, f"it could not be read back: {error.observed}", wanted, error.next_step)


def locked(subject: str, server_id: int, error: RowLocked | None = None) -> RowLocked:
    """`error`: how the database said so; None where the row was skipped."""
    seen = f" ({error.observed})" if error else ""
    return RowLocked(
        subject, f"row {server_id} is locked by another session{seen}", "a row that nobody else holds",
        error.next_step if error else "end an open transaction on it (a database tool left open); the next run tries again",
    )  # fmt: skip


def _text(setting: Setting) -> str:
    return f"daily {setting.daily_quota}, hourly {setting.hourly_quota}, {setting.status}"

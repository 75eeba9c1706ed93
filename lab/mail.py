"""The one value that passes from the MailWizz stand-in to the PowerMTA stand-in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """A message as injected: `virtual_mta` is the x-virtual-mta header ('' if absent), `job` the x-job header."""

    message_id: str
    mail_from: str
    rcpt: str
    virtual_mta: str
    job: str

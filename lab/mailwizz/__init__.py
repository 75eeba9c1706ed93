"""The MailWizz stand-in: its database, its HTTP API and its campaign sending, written from what is publicly known."""

from .instance import MailWizz

__all__ = ["MailWizz"]

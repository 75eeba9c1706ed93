"""Hard bounces, soft ones in a row and complaints reach MailWizz, and are counted there."""

from email_engine.pipelines.suppression_sync.sync import sync

__all__ = ["sync"]

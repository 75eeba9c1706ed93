"""Is every MailWizz well?"""

from email_engine.pipelines.mailwizz_health.check import check

__all__ = ["check"]

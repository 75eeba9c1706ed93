"""Opens and clicks of the last days' mail are counted in MailWizz and kept beside the warm-up's statistics."""

from email_engine.pipelines.mailwizz_opens.count import count

__all__ = ["count"]

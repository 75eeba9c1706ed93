"""Delivery-server quotas of MailWizz follow allowances."""

from email_engine.pipelines.mailwizz_quota_sync.sync import instances, sync

__all__ = ["instances", "sync"]

"""Recipient lists are looked at: addresses that cannot take mail, and people who are silent."""

from email_engine.pipelines.list_hygiene.look import look

__all__ = ["look"]

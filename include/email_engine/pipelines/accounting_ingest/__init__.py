"""Accounting files of the MTA hosts are read, and what was refused may be accepted for lost."""

from email_engine.pipelines.accounting_ingest.accept import accept_refused
from email_engine.pipelines.accounting_ingest.ingest import ingest

__all__ = ["accept_refused", "ingest"]

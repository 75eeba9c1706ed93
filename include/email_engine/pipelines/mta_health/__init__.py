"""Is every MTA host well?"""

from email_engine.pipelines.mta_health.check import check

__all__ = ["check"]

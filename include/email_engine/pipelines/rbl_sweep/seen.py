"""A confirmed listing as `confirm` hands it on."""

from collections.abc import Mapping
from typing import Any

from email_engine.blocklists.decide import SeenListing
from email_engine.blocklists.model import ListClass, Severity


def seen_listing(row: Mapping[str, Any]) -> SeenListing:
    return SeenListing(
        list_name=row["list"],
        zone=row["zone"],
        codes=tuple(row["codes"]),
        sublists=tuple(row["sublists"]),
        list_class=ListClass(row["class"]),
        severity=Severity(row["severity"]),
        severe=row["severe"],
        reason=row["reason"],
    )

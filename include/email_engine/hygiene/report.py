"""What was found in one recipient list, in numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from email_engine.plural import amount

CANNOT = ("bad_syntax", "special_domain", "null_mx", "dead_domain")
"""Findings of addresses that cannot take mail."""
WORDS = {
    "bad_syntax": "no address",
    "special_domain": "reserved domain",
    "null_mx": "domain takes no mail",
    "dead_domain": "dead domain",
    "silent": "silent",
}


@dataclass(slots=True)
class ListReport:
    """`counts` by column of `recipient_list_reports`; each subscriber in one of them but the parts `engaged_lately`, `unknown_domain`,
    `unsubscribed`. `why_silence_unknown`, `why_domains_unknown`: '' where they are known."""

    list_uid: str
    name: str
    with_unsubscribed: bool
    counts: Counter[str] = field(default_factory=Counter)
    why_silence_unknown: str = ""
    why_domains_unknown: str = ""

    @property
    def why_unknown(self) -> str:
        return "; ".join(each for each in (self.why_silence_unknown, self.why_domains_unknown) if each)

    @property
    def cannot(self) -> int:
        return sum(self.counts[name] for name in CANNOT)

    @property
    def silent(self) -> int | None:
        return None if self.why_silence_unknown else self.counts["silent"]

    @property
    def unsubscribed(self) -> int | None:
        return self.counts["unsubscribed"] if self.with_unsubscribed else None

    @property
    def words(self) -> str:
        """One line for people, engaged first; never an address."""
        c = self.counts
        parts = [
            f"{c['engaged']} engaged ({c['engaged_lately']} lately)",
            f"silent: {'not known' if self.silent is None else self.silent}",
            f"opened by machines alone: {c['machines_alone']}",
            f"not judged: {c['unjudged']}",
            *(f"{WORDS[name]}: {c[name]}" for name in CANNOT if c[name]),
            *([f"domain not looked at: {c['unknown_domain']}"] if c["unknown_domain"] else []),
            *([f"unsubscribed: {c['unsubscribed']}"] if self.with_unsubscribed else []),
        ]
        told = f"{self.name}: {amount(c['subscribers'], 'subscriber')}: {', '.join(parts)}"
        return f"{told} ({self.why_unknown})" if self.why_unknown else told


def summed_title(instance: str, reports: Sequence[ListReport]) -> str:
    """The first line of a message about the lists of one MailWizz. What some list does not know makes a bound of the number, or none."""
    whole = sum(report.counts["subscribers"] for report in reports)
    cannot = _counted(summed_cannot(reports), any(report.why_domains_unknown for report in reports))
    silent = _counted(summed_silent(reports), any(report.why_silence_unknown for report in reports))
    lists = amount(len(reports), "recipient list")
    start = f"MailWizz {instance}: of {amount(whole, 'subscriber')} in {lists}"
    if cannot is silent is None:
        return f"{start}, it is not known how many cannot take mail or are silent"
    taken = "who cannot take mail is not known" if cannot is None else f"{cannot} cannot take mail"
    return (
        f"{start}, {taken} and {'who is silent is not known' if silent is None else f'{silent} are silent'}"
    )


def summed_cannot(reports: Sequence[ListReport]) -> int | None:
    """Addresses that cannot take mail; None where none was found and not all domains are known."""
    unknown = any(report.why_domains_unknown for report in reports)
    return sum(report.cannot for report in reports) or (None if unknown else 0)


def summed_silent(reports: Sequence[ListReport]) -> int | None:
    """Silent subscribers; None where none was found and not of all lists is known."""
    unknown = any(report.why_silence_unknown for report in reports)
    return sum(report.silent or 0 for report in reports) or (None if unknown else 0)


def _counted(number: int | None, bound: bool) -> str | None:
    return None if number is None else f"at least {number}" if bound else str(number)

"""What an accounting file says, as values."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from ipaddress import ip_address

KEPT_REJECTIONS = 20_000
KEPT_TEXTS = 5_000
KINDS = {
    "delivery": "d",
    "bounce": "b",
    "transient": "t",
    "transient-queue": "tq",
    "receipt": "r",
    "feedback-loop": "f",
    "remote-bounce": "rb",
    "remote-status": "rs",
}
"""Record types: the long name, which works in `records` too, and the short one that PowerMTA writes."""

TALLIES = ("bounce_categories", "bounce_meanings", "deferral_meanings", "named_lists")
"""The parts of Counts that count words."""

_USUAL_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T](?:[01]\d|2[0-3]):\d\d:\d\d(?:[+]0000)?", re.ASCII)
_OTHER_TIME = re.compile(r"(?:\d{4}-\d\d-\d\d[ T]|\d\d/\d\d/\d{4} )\d\d:\d\d:\d\d", re.ASCII)
_MINUTES = "(?::?[0-5][0-9])?"
ZONE = (
    rf"(?:[.][0-9]{{1,9}})?(Z|[+](?:0[0-9]|1[0-3]){_MINUTES}|[+]14(?::?00)?"
    rf"|-(?:0[0-9]|1[01]){_MINUTES}|-12(?::?00)?)?"
)
"""What may stand behind the seconds of a time, for Python and for RE2 alike: a fraction, and a zone from -12 to +14."""

_ZONE = re.compile(ZONE)
_OLDEST_MAIL = timedelta(days=90)


@dataclass(frozen=True, slots=True, order=True)
class SendingSource:
    """Where a message left from, as the row says it: source IP and virtual MTA name, '' where the row is silent."""

    address: str
    vmta: str


@dataclass(slots=True)
class Counts:
    """Recipients of one source, provider and hour. `bounce_categories`: PowerMTA's `bounceCat` to count; `bounce_meanings`,
    `deferral_meanings`: what the receiver meant (lexicon) to count; `named_lists`: block lists that replies named to count."""

    delivered: int = 0
    bounced: int = 0
    deferred: int = 0
    complained: int = 0
    bounce_categories: dict[str, int] = field(default_factory=dict)
    bounce_meanings: dict[str, int] = field(default_factory=dict)
    deferral_meanings: dict[str, int] = field(default_factory=dict)
    named_lists: dict[str, int] = field(default_factory=dict)

    @property
    def attempts(self) -> int:
        return self.delivered + self.bounced + self.deferred

    def add(self, other: "Counts") -> None:
        self.delivered += other.delivered
        self.bounced += other.bounced
        self.deferred += other.deferred
        self.complained += other.complained
        for name in TALLIES:
            mine = getattr(self, name)
            for word, count in getattr(other, name).items():
                mine[word] = mine.get(word, 0) + count


class EventKind(StrEnum):
    """What is kept by itself and not only counted."""

    BOUNCE = "bounce"
    REMOTE_BOUNCE = "remote_bounce"
    COMPLAINT = "complaint"


@dataclass(frozen=True, slots=True)
class Event:
    """One bounce or complaint. `recipient` is an address in clear: it leaves the process only as a keyed hash, or sealed.

    `at`: when it was logged; `sent_at`: when the mail was sent, if the record itself tells it; both aware UTC. `reply`: what the receiver
    answered to a bounce, in its normal form."""

    kind: EventKind
    source: SendingSource
    provider: str
    at: datetime
    sent_at: datetime | None
    recipient: str = field(repr=False)
    category: str
    status: str
    message_id: str = field(repr=False)
    job: str
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that could not be read: its first line in the file, why, and the recipient if it names one (in clear)."""

    line: int
    reason: str
    recipient: str = field(default="", repr=False)


@dataclass(slots=True)
class ReplyText:
    """One wording of a receiver: how many rows, what it means, whether somebody knows it, one example without addresses, and
    the first and last hour of sending that met it."""

    count: int
    meaning: str
    known: bool
    example: str
    first: datetime
    last: datetime


Wording = tuple[str, str, str]
"""Provider, `bounce` or `deferral`, and the text in its normal form."""
Key = tuple[SendingSource, str, datetime]


@dataclass(slots=True)
class Summary:
    """What one file says.

    `stats` is keyed by (source, provider, hour as aware UTC) and holds attempts alone; `complaints` stand beside it, since
    they count for the hour of sending. `records` counts good rows of every type, `rejected_rows` unreadable ones,
    `rejected` keeps the first of them. `whole_bytes`: where the last row begins if the file ends without a line break
    (`cut`: and that row was counted), else the size of the file. `unfinished`: the file ends within its last row, which is
    rejected; the rest of it may come. `waited_out`: messages that timed out because their provider was suspended, which nothing
    else counts. `failures`: bounces and deferrals; `texts`: their wordings, the first KEPT_TEXTS of them;
    `unknown_failures`: rows whose wording tells nothing."""

    stats: dict[Key, Counts] = field(default_factory=dict)
    complaints: list[Event] = field(default_factory=list)
    records: int = 0
    by_type: dict[str, int] = field(default_factory=dict)
    rejected_rows: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    complaints_without_source: int = 0
    repeated_complaints: int = 0
    first: datetime | None = None
    last: datetime | None = None
    whole_bytes: int = 0
    cut: bool = False
    unfinished: bool = False
    texts: dict[Wording, ReplyText] = field(default_factory=dict)
    failures: int = 0
    unknown_failures: int = 0
    waited_out: int = 0
    delivered_to: dict[str, datetime] = field(default_factory=dict, repr=False)
    """The last delivery to each watched recipient, by address in clear."""

    def unknown_texts(self) -> list[tuple[Wording, ReplyText]]:
        """Those that nobody knows, the most frequent first."""
        return most_frequent(self.texts)

    @property
    def rejected_rate(self) -> float:
        """Unreadable rows as a ratio of all rows, an unfinished last one left out; 0 for a file without rows."""
        return self.rejected_rate_of(0)

    def rejected_rate_of(self, before: int) -> float:
        """The same of a file of which `before` good rows were read already."""
        wrong = self.rejected_rows - self.unfinished
        rows = before + self.records + wrong
        return wrong / rows if rows else 0.0

    def reject(self, line: int, reason: str, recipient: str = "") -> None:
        self.rejected_rows += 1
        if len(self.rejected) < KEPT_REJECTIONS:
            self.rejected.append(Rejected(line, reason, recipient))

    def rows(self) -> Iterator[tuple[Key, Counts]]:
        """Attempts and complaints together, in the order of the key; a complaint at the hour of its mail where the record
        tells it, else at that of the report; one that names no source is left out."""
        found = {key: replace(counts, complained=0) for key, counts in self.stats.items()}
        for event in self.complaints:
            if event.source == SendingSource("", ""):
                continue
            hour = (event.sent_at or event.at).replace(minute=0, second=0, microsecond=0)
            found.setdefault((event.source, event.provider, hour), Counts()).complained += 1
        yield from sorted(found.items(), key=lambda item: item[0])


def most_frequent(texts: Mapping[Wording, ReplyText]) -> list[tuple[Wording, ReplyText]]:
    """Unknown wordings, the most frequent first."""
    unknown = [(wording, text) for wording, text in texts.items() if not text.known]
    return sorted(unknown, key=lambda item: (-item[1].count, item[0]))


def plain_address(text: str) -> str:
    """One IP has one name, however a row writes it: in brackets, between blanks, IPv6 the long way, IPv4 within IPv6. What is
    none stays as it is."""
    if not text or text.replace(".", "").isdecimal():
        return text
    try:
        address = ip_address(text.strip().strip("[]").strip())
    except ValueError:
        return text
    return str(getattr(address, "ipv4_mapped", None) or address)


def zone_offset(text: str) -> timedelta | None:
    """East of UTC, of what stands behind the seconds of a time: nothing (UTC), Z, +HHMM, +HH:MM or +HH, and a fraction of
    the second before it. None for anything else, and for a zone that is none on earth."""
    match = _ZONE.fullmatch(text)
    if match is None:
        return None
    zone = match[1]
    if zone in (None, "Z"):
        return timedelta()
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return offset if zone[0] == "+" else -offset


def parse_time(text: str) -> datetime:
    """`timeLogged` as aware UTC: ISO with offset, Unix seconds (`iso-times no`), or MM/DD/YYYY HH:MM:SS.

    A time without offset is taken as UTC. ValueError for anything else, and for years before 2000."""
    offset = timedelta()
    if _USUAL_TIME.fullmatch(text):
        moment = datetime.fromisoformat(text)  # many times quicker than strptime
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    elif text.isascii() and text.isdecimal() and 9 <= len(text) <= 11:
        moment = datetime.fromtimestamp(int(text), UTC)
    else:
        known = zone_offset(text[19:])
        if known is None or not _OTHER_TIME.fullmatch(text[:19]):
            raise ValueError(f"{text!r} is no time of sending")
        pattern = "%m/%d/%Y %H:%M:%S" if text[2] == "/" else f"%Y-%m-%d{text[10]}%H:%M:%S"
        moment, offset = datetime.strptime(text[:19], pattern).replace(tzinfo=UTC), known
    if moment.year < 2000:
        raise ValueError(f"{text!r} is no time of sending")
    try:
        return moment - offset
    except OverflowError:
        raise ValueError(f"{text!r} is no time of sending") from None


def time_of_mail(text: str, reported: datetime) -> datetime | None:
    """When the mail was sent, by a header of it: a Date or an Arrival-Date (RFC 5322) that can be true."""
    try:
        moment = parsedate_to_datetime(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return moment if reported - _OLDEST_MAIL <= moment <= reported + timedelta(hours=1) else None

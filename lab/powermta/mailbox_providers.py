"""The mailbox providers of the lab: their domains, MX hosts, and how they word their answers."""

from dataclasses import dataclass, field
from functools import lru_cache

from lab.powermta.record_rows import cell


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP answer as accounting shows it: record type (d, b or t), action, status, diagnostic and bounce category."""

    record: str
    action: str
    status: str
    diagnostic: str
    category: str
    diagnostic_cell: str = field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "diagnostic_cell", cell(self.diagnostic))


@dataclass(frozen=True, slots=True)
class Provider:
    """A mailbox provider and its wordings.

    `block` and `deferral` are what any sender meets now and then; `listed` and `throttled` what one in bad repute meets.
    `feedback`: whether complaints come back; `format`: arf or jmrp (which hides the recipient).
    """

    name: str
    domains: tuple[str, ...]
    mx: str
    address: str
    delivered: Reply
    hard: tuple[Reply, ...]
    listed: tuple[Reply, ...]
    throttled: tuple[Reply, ...]
    feedback: bool = True
    format: str = "arf"
    block: tuple[Reply, ...] = field(init=False)
    deferral: tuple[Reply, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "block", (_CONTENT,))
        object.__setattr__(
            self, "deferral", (_FULL, _BUSY) if self.name != "other" else (_FULL, _BUSY, _GREYLISTED)
        )


def _accepted(text: str) -> Reply:
    return Reply("d", "relayed", "2.0.0 (success)", f"smtp;250 {text}", "")


def _hard(status: str, meaning: str, text: str, category: str = "bad-mailbox") -> Reply:
    return Reply("b", "failed", f"{status} ({meaning})", f"smtp;550 {status} {text}", category)


def _block(text: str, category: str = "policy-related", code: int = 550) -> Reply:
    return Reply("b", "failed", "5.7.1 (delivery not authorized)", f"smtp;{code} 5.7.1 {text}", category)


def _deferral(
    text: str, category: str = "policy-related", status: str = "4.7.0 (other or undefined security status)"
) -> Reply:
    return Reply("t", "delayed", status, f"smtp;421 {text}", category)


_CONTENT = _block("This message looks like spam to the recipient's filter.", "spam-related", 554)
_FULL = _deferral("4.2.2 mailbox full", "quota-issues", "4.2.2 (mailbox full)")
_BUSY = _deferral(
    "4.3.2 server busy, try again later", "other", "4.3.2 (system not accepting network messages)"
)
_GREYLISTED = _deferral("4.7.1 greylisted, try again later", "other")

PROVIDERS = (
    Provider(
        "gmail",
        ("gmail.com", "googlemail.com"),
        "gmail-smtp-in.l.google.com",
        "192.0.2.26",
        _accepted("2.0.0 OK 1700000000 a1si1 - gsmtp"),
        (
            _hard(
                "5.1.1",
                "bad destination mailbox address",
                "The email account that you tried to reach does not exist.",
            ),
            _hard(
                "5.2.1",
                "mailbox disabled",
                "The email account that you tried to reach is inactive.",
                "inactive-mailbox",
            ),
        ),
        (
            _block(
                "Our system has detected that this message is likely unsolicited mail; blocked for low reputation of the sending IP."
            ),
        ),
        (
            _deferral(
                "4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address."
            ),
        ),
        feedback=False,
    ),
    Provider(
        "microsoft",
        ("outlook.com", "hotmail.com", "live.com", "msn.com"),
        "outlook-com.olc.protection.outlook.com",
        "192.0.2.104",
        _accepted("2.6.0 Queued mail for delivery"),
        (
            _hard(
                "5.5.0",
                "other or undefined protocol status",
                "Requested action not taken: mailbox unavailable.",
            ),
            _hard("5.1.1", "bad destination mailbox address", "RESOLVER.ADR.RecipNotFound; not found"),
        ),
        (_block("Messages weren't sent. Part of their network is on our block list (S3140)."),),
        (_deferral("RP-001 The mail server IP has exceeded the rate limit allowed."),),
        format="jmrp",
    ),
    Provider(
        "yahoo",
        ("yahoo.com", "ymail.com", "aol.com"),
        "mta5.am0.yahoodns.net",
        "192.0.2.73",
        _accepted("ok dirdel"),
        (
            _hard(
                "5.1.1",
                "bad destination mailbox address",
                "This user doesn't have a yahoo.com account (dd)",
            ),
        ),
        (_block("Message not accepted for policy reasons.", code=554),),
        (_deferral("4.7.0 [TSS04] Messages temporarily deferred due to user complaints"),),
    ),
    Provider(
        "apple",
        ("icloud.com", "me.com", "mac.com"),
        "mx01.mail.icloud.com",
        "192.0.2.42",
        _accepted("2.1.5 OK"),
        (_hard("5.1.1", "bad destination mailbox address", "user does not exist"),),
        (_block("Message rejected due to local policy.", code=554),),
        (_deferral("4.7.0 rate limited"),),
        feedback=False,
    ),
)
_BY_DOMAIN = {domain: provider for provider in PROVIDERS for domain in provider.domains} | {
    provider.name: provider for provider in PROVIDERS
}


@lru_cache(maxsize=4096)
def provider_of(domain: str) -> Provider:
    """The provider behind a recipient domain; a domain of its own (named `other`) if none of the big ones."""
    return _BY_DOMAIN.get(domain.lower()) or Provider(
        "other",
        (domain,),
        f"mx.{domain}",
        "192.0.2.200",
        _accepted("2.0.0 Ok: queued"),
        (
            _hard("5.1.1", "bad destination mailbox address", "Recipient address rejected: User unknown"),
            _hard("5.1.2", "bad destination system address", "Host or domain name not found", "bad-domain"),
        ),
        (_block("Client host blocked using zen.spamhaus.org", code=554),),
        (_deferral("4.7.1 too much mail from this address, slow down"),),
    )

"""What one IP of a fleet can have only once, and what it cannot have: refused with the reason and the way out."""

from email_engine.fleet.document import Section
from email_engine.fleet.names import Check

PUBLIC = "a public IP address"
BEHIND_NAT = f"{PUBLIC}: behind NAT the one that the world sees, with the host's own as"
_PROXY = (
    "mail through a proxy leaves from the proxy's address, which no host of the fleet has",
    "an IP that PowerMTA binds on its host (`address`, behind NAT with `bind_address`); what goes through a proxy stays out of the "
    "fleet, in a configuration of your own",
)
_DOMAINS = (
    "several sending domains on one IP, which receivers judge by each other",
    "one `domain` for each IP; each further domain needs an entry with IP, virtual MTA, key and delivery server of its own",
)
_ADDRESSES = (
    "several IPs in one virtual MTA, which take turns: none has a cap, a warm-up or a standing of its own",
    "one `address` for each virtual MTA; write each further IP as an entry of its own, or all as a range with {n} in `vmta`",
)
_NO_KEYS = {
    **dict.fromkeys(("proxy", "proxies", "use_proxy", "smtp_proxy_source_host"), _PROXY),
    "domains": _DOMAINS,
    "addresses": _ADDRESSES,
}
_SEVERAL = {"domain": _DOMAINS, "address": _ADDRESSES}


def refuse_what_no_ip_has(entry: Section) -> tuple[str, ...]:
    """Notes keys that a fleet has no place for; gives them back, so that they are not unknown as well."""
    given = tuple(key for key in _NO_KEYS if entry.has(key))
    for key in given:
        entry.add(key, *_NO_KEYS[key])
    return given


def one_text(entry: Section, key: str, check: Check) -> str:
    """The text of `address` or `domain`; '' after a mistake, such as several of them."""
    several = set(entry.raw(key)) & set(", /") if key == "address" else set(entry.raw(key)) & set(", ")
    if entry.is_list(key) or several:
        entry.add(key, *_SEVERAL[key])
        return ""
    return entry.text(key, check)

"""Directives that the web is full of and that PowerMTA does not have (facts/powermta.md, sections 1.4, 1.5 and 4)."""

_KEY = "write `domain-key SELECTOR,DOMAIN,FILE` in the <virtual-mta> and `dkim-sign yes` in its <domain>"
_CAP = "write `max-smtp-msg-rate 50/d` in the <virtual-mta>"
_COMMAND = (
    "the only check is the command `pmta test config` (5.0 and later); this is no line of a configuration"
)
_BIND = "write `smtp-source-host IP HOST` in the <virtual-mta>"
_BACKOFF = "write `reply /.../ mode=backoff` in a <smtp-pattern-list> that the <domain> names"
_WARM_UP = "there is no automatic warm-up in PowerMTA 4.5 and 5.0: write `max-smtp-msg-rate N/d` and raise it day by day"

NOT_POWERMTA: dict[str, str] = {
    "process-x-sender": "write `process-x-virtual-mta yes` in the <source>",
    "virtual-mta-pool-map": "route with `default-virtual-mta NAME`, a <pattern-list>, or the header x-virtual-mta",
    "dkim-key": _KEY,
    "dkim-domain": _KEY,
    "dkim-selector": _KEY,
    "dkim-private-key": _KEY,
    "dkim-keyfile": _KEY,
    "backoff-mode": _BACKOFF,
    "max-rcpt-rate": "write `max-msg-rate N/h` in the <domain>: it counts recipients",
    "max-msg-per-day": _CAP,
    "max-messages-per-day": _CAP,
    "max-messages-per-hour": "write `max-msg-rate 250/h` in the <domain>",
    "daily-limit": _CAP,
    "hourly-limit": "write `max-msg-rate 250/h` in the <domain>",
    "rate-limit": "write `max-msg-rate 250/h` in the <domain>, or `max-smtp-msg-rate 50/d` in the <virtual-mta>",
    "bind-to-source-ip": _BIND,
    "bind-ip": _BIND,
    "smtp-source-ip": _BIND,
    "source-hash": "members of a pool take turns; for anything else name the virtual MTA by x-virtual-mta or a <pattern-list>",
    "weight": "members of a pool take turns, without weights",
    "auto-warmup": _WARM_UP,
    "ip-warmup": _WARM_UP,
    "warmup": _WARM_UP,
    "pmta": _COMMAND,
    "pmtad": _COMMAND,
    "check-config": _COMMAND,
    "verify": _COMMAND,
    "validate": _COMMAND,
}
"""Name to what to write instead."""

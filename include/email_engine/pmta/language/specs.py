"""The `args` column of config/powermta/directives.tsv and tags.tsv, each cell as a check."""

from email_engine.pmta.language import values as v
from email_engine.pmta.language.checks import (
    BadValue,
    Check,
    Fault,
    anything,
    either,
    fields,
    like,
    many,
    word,
    words,
)

NEVER = word("never")
UNLIMITED = word("unlimited")
VIRTUAL_MTA = like(r"[^\s,<>\"/*]+", "the name of a virtual MTA or pool")
RECORD_TYPES = [
    "d",
    "delivery",
    "b",
    "bounce",
    "t",
    "transient",
    "tq",
    "transient-queue",
    "r",
    "receipt",
    "f",
    "feedback-loop",
    "rb",
    "remote-bounce",
    "rs",
    "remote-status",
]
_SHORT = dict(zip(RECORD_TYPES[1::2], RECORD_TYPES[0::2], strict=True))
LIMIT = 30


def _record(text: str) -> str:
    return _SHORT.get(text, word(*RECORD_TYPES)(text))


def _mapped_record(text: str) -> str:
    if text == "fbl":  # as the guide of 5.0r1 writes it once (12.7.1)
        return "f"
    if text in ("tq", "transient-queue"):
        raise BadValue("a type of record about one recipient")
    return _record(text)


def _assigned(key: str, check: Check) -> Check:
    def assigned(text: str) -> str:
        name, mark, value = text.partition("=")
        if name != key or not mark:
            raise BadValue(f"`{key}=...`")
        return f"{key}={check(value)}"

    return assigned


_PATTERN_ACTION = either(
    _assigned("virtual-mta", VIRTUAL_MTA),
    _assigned("recipient-priority", v.number(0, 100)),
    like(r"call-to:\s*[^\s,<>]+", "`call-to:LIST`", lambda text: "".join(text.split())),
)
_REPLY_ACTION = either(
    word(
        "mode=normal",
        "mode=backoff",
        "skip-mx",
        "bounce-queue",
        "bounce-rcpt",
        "disable-source-ip",
        "defer-queue",
    ),
    _assigned("backoff-to-normal-after", v.interval),
    _assigned("reenable-after", v.interval),
)


def with_regex(rest: Check | None, lead: Check | None = None) -> Check:
    """`[LEAD] /REGEX/ REST`: the expression may hold blanks and escaped slashes."""

    def check(text: str) -> str:
        head, slash, tail = text.partition("/")
        end = _closing_slash(tail)
        if not slash or end is None or bool(head.strip()) is (lead is None):
            raise BadValue("a regular expression between slashes")
        front = f"{lead(head.strip())} " if lead else ""
        after = tail[end + 1 :].strip()
        if rest is None:
            if after:
                raise BadValue("nothing behind the regular expression", Fault.COUNT)
            return f"{front}/{tail[:end]}/"
        if not after:
            raise BadValue("something behind the regular expression", Fault.COUNT)
        return f"{front}/{tail[:end]}/ {rest(after)}"

    return check


def _closing_slash(text: str) -> int | None:
    at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "/":
            return at
        at += 1
    return None


_ACTIONS = either(many(_PATTERN_ACTION), word("<pattern-list>"))
_RECORD_FIELD = like(
    r"\*|!?[A-Za-z][A-Za-z0-9]*|(?:header|arf)_\S+", "*, a field, !FIELD, header_NAME or arf_NAME"
)
_SOURCE_HOST = words(either(v.ip, v.cidr), v.host)
_PROXIED = words(
    either(v.ip, v.cidr),
    v.address_and_port(either(v.ip, v.host)),
    v.address_and_port(v.ip, optional=True),
    v.host,
)
_DOMAIN_KEY = fields(v.selector, either(v.star, v.domain, word("{domain}")), either(v.vault, v.path))
"""`{selector}` and `{domain}` stand for those of the message in a path of the vault (guide 3.3.1.43.1)."""
_HOSTSPEC = either(
    like(r"lookup-mx:\S+", "lookup-mx:DOMAIN"),
    like(r"\[[0-9A-Fa-f.:]+\](:\d+)?", "[ADDRESS]"),
    v.address_and_port(either(v.ipv4, v.host)),
    either(v.ipv4, v.host),
)
_IDENTITY = either(v.email, like(r"@\S+", "@DOMAIN"), v.host)
_ALIAS = words(either(v.email, like(r"\*@\S+", "*@DOMAIN"), v.local_part), many(v.email))
_HTTP_ACCESS = words(v.cidr, word("none", "monitor", "monitor,deny-logs", "operator", "admin"))


def _hosts(text: str) -> str:
    if text == '""':
        return text
    return ";".join(many(_HOSTSPEC)(group.strip()) for group in text.split(";"))


def _key(low: int, high: int, letters: str) -> Check:
    length = f"{low} to {high}" if low != high else str(low)
    return like(rf"[{letters}]{{{low},{high}}}", f"{length} characters of {letters}")


def _words_of(*allowed: str) -> Check:
    return word(*allowed)


def _part(text: str) -> str:
    """A part of a domain; names of macros keep their case."""
    return text if "$" in text else v.in_ascii(text.lower())


def _quoted_name(text: str) -> str:
    """`queue-to "name"` is how the guide writes it."""
    return v.name(text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text)


SPECS: dict[str, Check] = {
    "?": anything,
    "BOOL": v.boolean,
    "BOOL|override": either(v.boolean, word("override")),
    "BOOL|if-x-dkim-options-present": either(v.boolean, word("if-x-dkim-options-present")),
    "BOOL|INTERVAL|never": either(v.boolean, NEVER, v.interval),
    "INT": v.integer,
    "INT(MB)": v.integer,
    "INT(ms)": v.integer,
    "INT(0..100)": v.number(0, 100),
    "INT(1..100)": v.number(1, 100),
    "INT(512..2048)": v.number(512, 2048),
    "INT|auto": either(v.integer, word("auto")),
    "INT|unlimited": either(v.integer, UNLIMITED),
    "INTd|never": either(like(r"\d+d", "a number of days such as 8d"), NEVER),
    "INTERVAL": v.interval,
    "INTERVAL|never": either(NEVER, v.interval),
    "INTERVAL(min1m)": v.interval_between(60, 10**9),
    "INTERVAL(max10m)": v.interval_between(0, 600),
    "INTERVAL,...(max30)": many(v.interval, LIMIT, blanks=False),
    "SIZE": v.size,
    "SIZE|0": either(word("0"), v.size),
    "SIZE|0|unlimited|INT(deprecated)": either(word("0"), UNLIMITED, v.integer, v.size),
    "SIZE(min1M;webhooks50K..10M)": v.size_of_at_least("50k"),
    "RATE": v.rate,
    "DAY-RATE,...": many(v.day_rate),
    "VOLUME-RATE": v.volume_rate,
    "PATH": v.path,
    "DIR": v.path,
    "DIR DIR": words(v.path, v.path),
    "PATH|URL": either(v.url, v.path),
    "PATH [STRING]": words(v.path, v.string, optional=1),
    "URL": v.url,
    "STRING": v.string,
    'STRING|""': v.string,
    "STRING|{auth}": v.string,
    "STRING(32..128;[A-Za-z0-9_])": _key(32, 128, "A-Za-z0-9_"),
    "STRING(40;[0-9A-Fa-f])": _key(40, 40, "0-9A-Fa-f"),
    "NAME": v.name,
    'NAME|""': either(v.empty, v.name, _quoted_name),
    "NAME,...": many(v.name),
    "NAME|by-smtp-source-ip": v.name,
    "NAME DOMAINPART|$NAME,...": words(
        like(r"[A-Za-z0-9_]+", "a macro's name of letters, digits and _"),
        many(like(r"[\w.*$-]+", "a part of a domain or $MACRO", _part)),
    ),
    "IP": v.ip,
    "IP[:PORT] HOST": words(v.address_and_port(v.ip, optional=True), v.host),
    "IP|CIDR HOST": _SOURCE_HOST,
    "IP|CIDR (IP|HOST):PORT IP[:PORT] HOST": _PROXIED,
    "(IP|HOST):PORT": v.address_and_port(either(v.ip, v.host)),
    "HOST": v.host,
    "DOMAIN": v.domain,
    "DPATTERN": v.domain_pattern,
    "DPATTERN DOMAIN": words(v.domain_pattern, v.domain),
    "DPATTERN INT": words(v.domain_pattern, v.integer),
    "DPATTERN NAME.rollup [rollup-by-ip]": words(
        v.domain_pattern,
        like(r"[^\s,<>\"/*]+\.rollup", "a name that ends in .rollup", str.lower),
        word("rollup-by-ip"),
        optional=1,
    ),
    "DPATTERN enable-signals[,subaccount=INT]|disable-signals": words(
        v.domain_pattern,
        like(r"enable-signals(,subaccount=\d+)?|disable-signals", "enable-signals or disable-signals"),
    ),
    "CIDR INT": words(v.cidr, v.integer),
    "CIDR RATE": words(v.cidr, v.rate),
    "CIDR RATE(h|hr|m|min|s|sec)": words(v.cidr, v.rate_below_a_day),
    "CIDR VOLUME-RATE": words(v.cidr, v.volume_rate),
    "CIDR enum(none|monitor[,deny-logs]|operator|admin)": _HTTP_ACCESS,
    "CIDR:PORT": v.address_and_port(v.cidr),
    "CIDR:PORT [source=NAME]": words(v.address_and_port(v.cidr), _assigned("source", v.name), optional=1),
    "PORT": v.port,
    "PORT|0": v.port,
    "EMAIL": v.email,
    'EMAIL|""': either(v.empty, v.email),
    'EMAIL,...|""': either(v.empty, many(v.email)),
    "EMAIL|REGEX": either(v.regex, v.email),
    "EMAIL|LOCALPART|REGEX": either(v.regex, v.email, v.local_part),
    "EMAIL|DOMAIN|@DOMAIN": _IDENTITY,
    "EMAIL|DOMAIN|@DOMAIN|sender-or-from|strict-from": either(
        word("sender-or-from", "strict-from"), _IDENTITY
    ),
    "EMAIL|LOCALPART|*@DOMAIN EMAIL,...": _ALIAS,
    "ADDRPATTERN ADDRPATTERN": words(v.one_word, v.one_word),
    "HEADER": v.header,
    "HEADER,...": many(v.header),
    'HEADER,...|""': either(v.empty, many(v.header)),
    'HEADER|REGEX,...|""': either(v.empty, many(either(v.regex, v.header))),
    'HOSTSPEC[,HOSTSPEC...][;...]|""': _hosts,
    "SELECTOR,DOMAIN|*,PATH|VAULT": _DOMAIN_KEY,
    "CIPHERS": v.one_word,
    "CIPHERSUITES": v.one_word,
    "[!]QUEUE,...": many(like(r"!?[^\s,]+", "a queue, or !QUEUE")),
    "REGEX NAME": with_regex(v.name),
    "(virtual-mta=NAME|recipient-priority=INT(0..100)|call-to:NAME),...": many(_PATTERN_ACTION),
    "REGEX (virtual-mta=NAME|recipient-priority=INT(0..100)|call-to:NAME),...|<pattern-list>": with_regex(
        _ACTIONS
    ),
    "HEADER REGEX (virtual-mta=NAME|recipient-priority=INT(0..100)|call-to:NAME),...|<pattern-list>": with_regex(
        _ACTIONS, v.header
    ),
    "REGEX (mode=normal|mode=backoff|backoff-to-normal-after=INTERVAL|skip-mx|bounce-queue|bounce-rcpt|"
    "disable-source-ip|reenable-after=INTERVAL|defer-queue),...": with_regex(many(_REPLY_ACTION)),
    "true[,subaccount=INT] || false || NAME": like(
        r"true(,subaccount=\d+)?|false|[^\s,]+", "true, false or a filter"
    ),
    "retain || redact [STRING] || enum(siphash|siphash-hexkey|hmac-sha256|hmac-sha256-hexkey) STRING": like(
        r"retain|redact(\s+\S.*)?|(siphash|hmac-sha256)(-hexkey)?\s+\S.*",
        "retain, redact or a way to hash with its key",
    ),
    "enum(d|b|t|tq),...": many(word("d", "b", "t", "tq")),
    f"enum({'|'.join(RECORD_TYPES)}),...": many(_record),
    f"enum({'|'.join(RECORD_TYPES)}) (*|[!]FIELD|header_NAME|arf_NAME),...": words(
        _record, many(_RECORD_FIELD)
    ),
    "enum(d|delivery|b|bounce|t|transient|r|receipt|f|feedback-loop|rb|remote-bounce|rs|remote-status) header_NAME "
    "FIELD": words(_mapped_record, like(r"header_\S+", "header_NAME"), v.field_name),
    "(none)": word(""),
    "NAME(global) || (none)(nested)": v.name,
    'PATH || "|COMMAND"': like(r"\|.+|(?!\")[^\s,|]+", "a path, or |COMMAND"),
    "DPATTERN|{sparkpost}|{bounce}": v.domain_pattern,
    "IP|CIDR|NAME|{pickup}|{auth}|{transmissions-api}": either(v.cidr, v.name),
}


def check_of(spec: str) -> Check:
    """The check for one cell; raises KeyError for a cell that the table does not have."""
    if spec not in SPECS and (spec.startswith("enum(") and spec.endswith(")")):
        return _words_of(*spec[5:-1].split("|"))
    return SPECS[spec]

"""6xx: who may relay, read, log in."""

import ipaddress
from collections.abc import Iterator

from email_engine.pmta.language.checks import BadValue
from email_engine.pmta.language.values import cidr
from email_engine.pmta.lint.index import Index, Line, Settings, first_word
from email_engine.pmta.lint.rule import ERROR, INFO, MAIN, WARNING, Hit, Rule

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

OPEN_RELAY = Rule(
    "PM601",
    ERROR,
    "open relay",
    "`always-allow-relaying yes` for everybody, or for a named source that a listener gives to whoever connects, lets strangers "
    "send over your IPs. They are found within hours.",
    "3.3.7; facts section 1.7",
    "write the addresses that may relay into `<source IP>`, or `require-auth yes` with an <smtp-user>",
    "<source 0/0>\n  always-allow-relaying yes\n</source>\n",
    "<source 0/0>\n  always-allow-relaying no\n</source>\n<source 192.0.2.9>\n  always-allow-relaying yes\n</source>\n",
)
WIDE = Rule(
    "PM602",
    WARNING,
    "relaying for a wide network",
    "More than 256 addresses (IPv6: more than a /64) are seldom all yours. For private networks it is an info.",
    "3.3.7",
    "name the machines that send, or ask them to log in",
    "<source 198.51.0.0/16>\n  always-allow-relaying yes\n</source>\n",
    "<source 198.51.100.0/28>\n  always-allow-relaying yes\n</source>\n",
)
HTTP_OPEN = Rule(
    "PM603",
    ERROR,
    "web monitor open to everybody",
    "With `admin` or `operator` strangers edit the configuration or stop queues. `http-access 0/0 monitor` shows queues and "
    "addresses to the world: a warning, because the guide writes it for tests.",
    "3.3.1; facts section 2.5",
    "allow 127.0.0.1 and reach it through SSH, or name your own addresses",
    "http-access 0/0 admin\n",
    "http-access 127.0.0.1 admin\nhttp-access 0/0 none\n",
)
HTTP_WIDE = Rule(
    "PM604",
    WARNING,
    "web monitor open to a wide network",
    "Access goes by address alone.",
    "3.3.1; facts section 2.5",
    "name single addresses, or use `http-api-key`",
    "http-access 198.51.0.0/16 operator\n",
    "http-access 198.51.100.7 operator\n",
)
HASH = Rule(
    "PM605",
    ERROR,
    "a password with #",
    "`#` starts a comment anywhere: the password ends there, without a word.",
    "3.1; facts section 1.1",
    "choose a password without #; move a comment to a line of its own",
    "<smtp-user app>\n  password secret#1\n</smtp-user>\n",
    "<smtp-user app>\n  # changed in May\n  password secret-1\n</smtp-user>\n",
)
PLAIN = Rule(
    "PM606",
    WARNING,
    "passwords without encryption",
    "The password crosses the network in clear text.",
    "3.3.7",
    "write `allow-unencrypted-plain-auth no` and `allow-starttls yes`",
    "<source 0/0>\n  allow-unencrypted-plain-auth yes\n</source>\n",
    "<source 127.0.0.1>\n  allow-unencrypted-plain-auth yes\n</source>\n",
)
ROOT = Rule(
    "PM607",
    INFO,
    "PowerMTA runs as root",
    "`run-as-root` is yes by default; a flaw in the service is then a flaw of the whole machine.",
    "3.3.1; facts section 1.9",
    "write `run-as-root no` (it counts after a restart; check owners of spool, logs and keys)",
    MAIN.replace("run-as-root no", "run-as-root yes"),
    MAIN,
)
LISTENER = Rule(
    "PM608",
    INFO,
    "no smtp-listener",
    "Without one PowerMTA listens on 0.0.0.0:25, on every address of the host.",
    "3.3.1; facts section 1.7",
    "write `smtp-listener ADDRESS:PORT` for the addresses that take mail",
    MAIN.replace("smtp-listener 192.0.2.1:25\n", ""),
    MAIN,
)
OLD_TLS = Rule(
    "PM609",
    WARNING,
    "TLS 1.0 or 1.1 allowed",
    "Both were retired by RFC 8996.",
    "RFC 8996",
    "delete the line",
    "smtp-server-tls-allow-tlsv1 yes\n",
    "smtp-server-tls-allow-tlsv1.2 yes\n",
)
LOG_READABLE = Rule(
    "PM610",
    WARNING,
    "log readable by everybody",
    "The log holds the addresses of all recipients.",
    "3.3.1",
    "delete the line; give readers the group of the file",
    "log-file-world-readable yes\n",
    "log-file-world-readable no\n",
)
NO_TLS_TO_REQUIRE = Rule(
    "PM612",
    ERROR,
    "require-starttls without use-starttls",
    "Encryption is demanded and never begun: no mail leaves for the domain.",
    "3.3.10; facts section 1.9",
    "write `use-starttls yes`, or delete `require-starttls`",
    "<domain example.org>\n  use-starttls no\n  require-starttls yes\n</domain>\n",
    "<domain example.org>\n  use-starttls yes\n  require-starttls yes\n</domain>\n",
)
RELAY_ALL = Rule(
    "PM611",
    ERROR,
    "relay-domain *",
    "Mail from anybody is taken for any domain: an open relay by another name.",
    "3.3.1",
    "name the domains whose mail comes in here",
    "relay-domain *\n",
    "relay-domain bounces.example.com\n",
)

RULES = (
    OPEN_RELAY,
    WIDE,
    HTTP_OPEN,
    HTTP_WIDE,
    HASH,
    PLAIN,
    ROOT,
    LISTENER,
    OLD_TLS,
    LOG_READABLE,
    RELAY_ALL,
    NO_TLS_TO_REQUIRE,
)

_TRUE = ("yes", "true")
_LOGIN = "name this source in the <smtp-user> alone, and let the listener give a <source> that does not relay"


def network(text: str) -> Network | None:
    """The network of a source or an access line, None for a name."""
    try:
        return ipaddress.ip_network(cidr(text))
    except BadValue:
        return None


def _is_wide(net: Network) -> bool:
    return net.prefixlen < (24 if net.version == 4 else 64)


def check_security(index: Index) -> Iterator[Hit]:
    """Who may do what."""
    listened = _listened(index)
    for line, block in index.of("source"):
        settings = index.settings(block)
        yield from _source(line, settings, listened)
    for directive in index.lines("http-access"):
        yield from _http(directive.offset, directive.value)
    for directive in index.lines("always-allow-relaying"):
        if directive.value in _TRUE:
            yield OPEN_RELAY.hit(
                directive.offset, "`always-allow-relaying yes` at global level is for everybody"
            )
    for directive in index.lines("relay-domain"):
        if directive.value == "*":
            yield RELAY_ALL.hit(directive.offset, "`relay-domain *` takes mail for every domain")
    yield from _main(index)
    yield from _tls(index)


def _listened(index: Index) -> dict[str, str]:
    """Named source to the address of a listener that uses it, unless that is only the host itself."""
    found = {}
    pairs = [(first_word(d.value)[0], d.value.partition("source=")[2]) for d in index.lines("smtp-listener")]
    for _, block in index.of("smtp-listener"):
        pairs.append((block.argument, block.value("source") or ""))
    for address, source in pairs:
        net = network(address.rpartition(":")[0].strip("[]"))
        if source and not (net and net.is_loopback):
            found[source.strip()] = address
    return found


def _source(line: Line, settings: Settings, listened: dict[str, str]) -> Iterator[Hit]:
    name = settings.block.argument
    net = network(name)
    served = settings.get("smtp-service") not in ("no", "false")
    if settings.get("always-allow-relaying") in _TRUE and served:
        at = line + settings.offset("always-allow-relaying")
        login = settings.get("require-auth") in _TRUE
        if (net and net.prefixlen == 0) or (net is None and name in listened):
            who = "everybody" if net else f"whoever reaches the listener {listened[name]}"
            severity, remedy = (WARNING if login else None), None
            if login:
                who, remedy = f"{who} with a login", _LOGIN
            yield OPEN_RELAY.hit(at, f"<source {name}> relays for {who}", severity, remedy)
        elif net and _is_wide(net) and not login:
            severity = INFO if net.is_private else None
            yield WIDE.hit(at, f"<source {name}> relays for {net.num_addresses} addresses", severity)
    if settings.get("allow-unencrypted-plain-auth") in _TRUE and served and not (net and net.is_loopback):
        safe = settings.get("require-starttls-before-auth") in _TRUE
        if not safe:
            at = line + settings.offset("allow-unencrypted-plain-auth")
            yield PLAIN.hit(at, f"<source {name}> takes passwords in clear text")


def _http(line: Line, value: str) -> Iterator[Hit]:
    who, level = first_word(value)
    net = network(who)
    if net is None or level == "none":
        return
    if net.prefixlen == 0:
        severity = WARNING if level.startswith("monitor") else None
        yield HTTP_OPEN.hit(line, f"`http-access {value}` is for everybody", severity)
    elif _is_wide(net) and not net.is_private:
        yield HTTP_WIDE.hit(line, f"`http-access {value}` is for {net.num_addresses} addresses")


def _main(index: Index) -> Iterator[Hit]:
    for directive in index.lines("log-file-world-readable"):
        if directive.value in _TRUE:
            yield LOG_READABLE.hit(directive.offset, "everybody on the host may read the log")
    root = index.top.get("run-as-root")
    if root and root[-1].value in _TRUE:
        yield ROOT.hit(root[-1].offset, "PowerMTA runs as root")
    if not (index.whole and index.complete):
        return
    if root is None:
        yield ROOT.hit(1, "PowerMTA runs as root, because `run-as-root` is not set")
    if (
        not {"smtp-listener", "smtp-ip", "smtp-port"} & index.top.keys()
        and "smtp-listener" not in index.blocks
    ):
        yield LISTENER.hit(1, "no `smtp-listener`: PowerMTA listens on every address of the host")


def _tls(index: Index) -> Iterator[Hit]:
    settings = [
        *((0, index.settings(index.root)),),
        *(
            (line, index.settings(block))
            for line, block in index.of("smtp-listener", "transmissions-api-listener")
        ),
        *index.all_domains,
    ]
    for line, one in index.all_domains:
        if one.get("require-starttls") in _TRUE and one.get("use-starttls") in ("no", "false"):
            at = line + one.offset("require-starttls")
            yield NO_TLS_TO_REQUIRE.hit(at, "`require-starttls yes` beside `use-starttls no`")
    for line, one in settings:
        for name, (offset, value) in one.values.items():
            if name.endswith(("tls-allow-tlsv1", "tls-allow-tlsv1.1")) and value in _TRUE:
                yield OLD_TLS.hit(line + offset, f"`{name} {value}`")
            elif name == "use-unencrypted-plain-auth" and value in _TRUE:
                yield PLAIN.hit(line + offset, "the password for this domain is sent in clear text")

"""7xx: DKIM keys and signing."""

from collections.abc import Iterator
from posixpath import dirname, isabs

from email_engine.pmta.language.tree import Directive
from email_engine.pmta.lint.index import Index, Line, Shape
from email_engine.pmta.lint.rule import ERROR, INFO, MAIN, WARNING, Hit, Rule

_HOST = "  smtp-source-host 192.0.2.11 mail1.example.com\n"
_SIGN = "  <domain *>\n    dkim-sign yes\n  </domain>\n"


def _vmta(*keys: str, sign: str = _SIGN) -> str:
    lines = "".join(f"  domain-key {key}\n" for key in keys)
    return f"<virtual-mta vmta-1>\n{_HOST}{lines}{sign}</virtual-mta>\n"


_KEY = "s1,example.com,/etc/pmta/s1.pem"
UNSIGNED = Rule(
    "PM701",
    WARNING,
    "domain-key without dkim-sign",
    "`dkim-sign` defaults to false: the key is there and nothing is signed.",
    "3.3.10, 3.3.12; facts section 1.3",
    "write `dkim-sign yes` into `<domain *>` of the virtual MTA, its pool, or at global level",
    MAIN + _vmta(_KEY, sign=""),
    MAIN + _vmta(_KEY),
)
NO_KEY = Rule(
    "PM702",
    WARNING,
    "dkim-sign without any key",
    "There is nothing to sign with.",
    "3.3.12",
    "write `domain-key SELECTOR,DOMAIN,FILE` into the <virtual-mta>",
    MAIN + _vmta(),
    MAIN + _vmta(_KEY),
)
SELECTOR = Rule(
    "PM703",
    WARNING,
    "a selector that looks like a domain or a file",
    "A selector is one or two short words; with the name of a domain in its place mails are signed for a DNS record that "
    "does not exist.",
    "RFC 6376 3.1; facts section 4",
    "write `domain-key SELECTOR,DOMAIN,FILE`",
    _vmta("example.com,example.com,/etc/pmta/s1.pem"),
    _vmta(_KEY),
)
FILE_MISSING = Rule(
    "PM704",
    ERROR,
    "key file missing",
    "Without the file PowerMTA cannot sign, and may not load the configuration.",
    "3.3.12; facts section 2.1",
    "put the key there, readable for the user pmta, or correct the path",
    _vmta(_KEY),
    _vmta("s1,example.com,/etc/pmta/s2.pem"),
    absent=("/etc/pmta/s1.pem",),
)
STAR_FIRST = Rule(
    "PM705",
    WARNING,
    "domain-key that is never reached",
    "The first match wins and `*` matches every sender, so keys behind it are never used; nor is a second one of a domain.",
    "3.3.12; facts section 1.3",
    "put the line with `*` last; keep one key for each domain",
    _vmta("s1,*,/etc/pmta/s1.pem", "s2,example.com,/etc/pmta/s2.pem"),
    _vmta("s2,example.com,/etc/pmta/s2.pem", "s1,*,/etc/pmta/s1.pem"),
)
SHA1 = Rule(
    "PM706",
    WARNING,
    "signatures with rsa-sha1",
    "Receivers must not accept them any more.",
    "RFC 8301",
    "delete the line: rsa-sha256 is the default",
    "<domain *>\n  dkim-algorithm rsa-sha1\n</domain>\n",
    "<domain *>\n  dkim-algorithm rsa-sha256\n</domain>\n",
)
RELATIVE = Rule(
    "PM707",
    WARNING,
    "a key file without a full path",
    "The guide does not say from which directory it is looked up.",
    "3.3.12",
    "write the path from /",
    _vmta("s1,example.com,dkim/s1.pem"),
    _vmta(_KEY),
)
FILE_UNKNOWN = Rule(
    "PM708",
    INFO,
    "key files that cannot be looked at",
    "The directory does not exist on this machine, so nothing can be said about the keys in it.",
    "facts section 2.1",
    "lint on the host, or give --root",
    _vmta("s1,example.com,/nowhere/s1.pem"),
    _vmta(_KEY),
    absent=("?/nowhere/s1.pem",),
)

RULES = (UNSIGNED, NO_KEY, SELECTOR, FILE_MISSING, STAR_FIRST, SHA1, RELATIVE, FILE_UNKNOWN)


def check_dkim(index: Index) -> Iterator[Hit]:
    """Keys, and whether they are used."""
    top = list(index.lines("domain-key"))
    yield from _signing(index, top)
    shown: set[str] = set()
    for line, keys in _groups(index, top):
        yield from _keys(line, keys)
        if index.files is not None:
            yield from _files(index, line, keys, shown)
    for line, settings in index.all_domains:
        for name in ("dkim-algorithm", "second-dkim-algorithm"):
            if settings.get(name) == "rsa-sha1":
                yield SHA1.hit(line + settings.offset(name), f"`{name} rsa-sha1`")


def _groups(index: Index, top: list[Directive]) -> Iterator[tuple[Line, list[Directive]]]:
    if top:
        yield 0, top
    for sender in (*index.vmtas, *index.pools):
        keys = sender.lines.get("domain-key")
        if keys:
            yield sender.line, keys
    for line, block in index.of("domain-key-list"):
        yield line, list(block.directives("domain-key"))


def _signing(index: Index, top: list[Directive]) -> Iterator[Hit]:
    everywhere = index.shape(index.domains)
    sure = index.whole and index.complete
    signs_for: dict[int, bool] = {}
    by_header = "domain-key-list" in index.blocks or any(
        block.value("process-x-dkim-key") in ("yes", "true") for _, block in index.of("source")
    )
    pool_keys = {id(pool) for pool in index.pools if "domain-key" in pool.lines}
    for vmta in index.vmtas:
        own = vmta.shape
        pools = [pool for pool, _ in index.members.get(vmta.name, ())]
        keys = vmta.lines.get("domain-key")
        if keys:
            signs = signs_for.get(id(own)) if not pools else None
            if signs is None:
                signs = _signs([own, *(pool.shape for pool in pools), everywhere])
                if not pools:
                    signs_for[id(own)] = signs
            if not signs and not index.may_hold_more(vmta):
                gravity = None if sure or vmta.domains else INFO
                message = f"{vmta.name} has a key, but no `dkim-sign yes` in a <domain> that counts for it"
                yield UNSIGNED.hit(vmta.line + keys[0].offset, message, gravity)
        elif not top and sure and _says_yes(own) and not any(id(pool) in pool_keys for pool in pools):
            if by_header or index.may_hold_more(vmta):
                continue
            offset, settings = next((o, s) for o, s in vmta.domains if "dkim-sign" in s.values)
            at = vmta.line + offset + settings.offset("dkim-sign")
            yield NO_KEY.hit(at, f"`dkim-sign`, but {vmta.name} has no key, nor has its pool or global level")
    yield from _shared_keys(index, top, everywhere, sure)


def _shared_keys(index: Index, top: list[Directive], everywhere: Shape, sure: bool) -> Iterator[Hit]:
    signed = _says_yes(everywhere) or any(_says_yes(sender.shape) for sender in (*index.vmtas, *index.pools))
    if signed:
        return
    holders: list[tuple[Line, Directive]] = [(0, key) for key in top[:1]]
    holders += [(p.line, p.lines["domain-key"][0]) for p in index.pools if "domain-key" in p.lines]
    for line, key in holders:
        message = "a key, but no `dkim-sign yes` in any <domain>"
        yield UNSIGNED.hit(line + key.offset, message, None if sure else INFO)


def _says_yes(shape: Shape) -> bool:
    return any(yes for _, yes in shape.signs)


def _signs(chain: list[Shape]) -> bool:
    """Own, pools', global: the first that says something about `*` decides, unless some other pattern signs."""
    for shape in chain:
        said = dict(shape.signs)
        if "*" in said:
            return said["*"] or _says_yes(shape)
        if _says_yes(shape):
            return True
    return False


def _keys(line: Line, keys: list[Directive]) -> Iterator[Hit]:
    seen: set[str] = set()
    for key in keys:
        parts = key.value.split(",")
        if len(parts) != 3:
            continue
        selector, domain, path = parts[0].strip(), parts[1].strip(), parts[2].strip()
        at = line + key.offset
        if selector.count(".") > 1 or selector.lower() == domain.lower() or selector.endswith(_ENDINGS):
            yield SELECTOR.hit(at, f"`{selector}` stands where the selector belongs")
        if not isabs(path) and not path.startswith("{vault}"):
            yield RELATIVE.hit(at, f"`{path}` does not start with /")
        if len(keys) > 1:
            if "*" in seen or domain.lower() in seen:
                first = "*" if "*" in seen else domain
                yield STAR_FIRST.hit(
                    at, f"the key for {domain} is never used: one for {first} stands before it"
                )
            seen.add(domain.lower())


_ENDINGS = (".pem", ".key", ".com", ".net", ".org")


def _files(index: Index, line: Line, keys: list[Directive], shown: set[str]) -> Iterator[Hit]:
    assert index.files is not None  # noqa: S101 (asked before)
    for key in keys:
        path = key.value.rpartition(",")[2].strip()
        if not isabs(path):
            continue
        there = index.files.exists(path)
        if there is False:
            yield FILE_MISSING.hit(line + key.offset, f"{path} does not exist")
        elif there is None and dirname(path) not in shown:
            shown.add(dirname(path))
            message = f"{dirname(path)} is not on this machine: its keys were not looked at"
            yield FILE_UNKNOWN.hit(line + key.offset, message)

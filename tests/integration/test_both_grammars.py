"""The product's grammar and the lab's share no code: what one renders both take, and a seeded mistake both find."""

import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from email_engine.fleet.model import IpState, Mode, MtaHost
from email_engine.fleet.providers import shipped_providers
from email_engine.pmta.config.deploy_policy import deploy_policy
from email_engine.pmta.config.layout import compose
from email_engine.pmta.config.render import render_host
from email_engine.pmta.language.assembly import assemble
from email_engine.pmta.lint import lint
from lab.clock import Clock
from lab.powermta.host import Host
from lab.powermta.recipients import Recipients
from tests.core.pmta.records import IpRecord, record

SEEDS = range(12)
NAMES = [provider.name for provider in shipped_providers().all]


def fleet(dice: random.Random) -> tuple[IpRecord, ...]:
    """Two tenants with one to forty IPs each in any mix of states; one IP at least sends."""
    records = [record(1), record(2)]
    for tenant, network in (("aurora", "2001:db8:a::"), ("borealis", "2001:db8:b::")):
        for n in range(3, dice.randint(4, 40)):
            more = {"address": ip_address(network) + n} if dice.random() < 0.2 else {}
            state, allowance = dice.choice(list(IpState)), dice.choice([0, 1, 50, 777, 10_000])
            bounds = dict.fromkeys(dice.sample(NAMES, dice.choice([0, 0, 1, 3])), dice.choice([1, 40, 9_000]))
            records.append(
                record(n, tenant, state, allowance, braked=dice.random() < 0.2, bounds=bounds, **more)
            )
    return tuple(records)


def rendered(seed: int, version: str = "5.0r5") -> str:
    records = fleet(random.Random(seed))
    host = MtaHost("mta-1", "powermta_mta-1", version)
    sections = render_host(host, records, shipped_providers(), deploy_policy())
    return compose(sections, None, {r.tenant: Mode.ACT for r in records})


def lab_says(root: Path, text: str, version: str = "5.0r5") -> str:
    """The lab's PowerMTA's own words, empty if it starts."""
    host = Host(
        "mta-1", root, ("198.51.100.1",), version, Clock(datetime(2026, 11, 1, tzinfo=UTC)), Recipients()
    )
    (root / "etc/pmta/email-engine.conf").write_text(text)
    host.restart()
    return host.start_error


def linter_says(text: str, version: str = "5.0r5") -> list[str]:
    """Errors and warnings: with either nothing is deployed."""
    found = lint(assemble(text, "email-engine.conf"), version=version)
    return [
        f"{one.severity} {one.code} line {one.line}: {one.message}" for one in found if one.severity != "info"
    ]


@pytest.mark.parametrize("version", ["4.5", "5.0r1", "5.0r5", "5.5"])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_renderer_makes_both_take(tmp_path: Path, seed: int, version: str) -> None:
    text = rendered(seed, version)
    assert lab_says(tmp_path, text, version) == ""
    assert linter_says(text, version) == []


@pytest.mark.parametrize("count", [1, 10, 1_000, 10_000])
def test_the_linter_has_nothing_to_say_at_any_size(count: int) -> None:
    first = ip_address("10.0.0.0")
    records = tuple(record(n, address=first + n) for n in range(1, count + 1))
    host = MtaHost("mta-1", "powermta_mta-1")
    sections = render_host(host, records, shipped_providers(), deploy_policy())
    assert linter_says(compose(sections, None, {"aurora": Mode.ACT})) == []


Mistake = Callable[[str, random.Random], str]


def swap(pattern: str, to: str) -> Mistake:
    """One of the places that match, chosen by the dice, written otherwise."""

    def make(text: str, dice: random.Random) -> str:
        found = dice.choice(list(re.finditer(pattern, text, re.MULTILINE)))
        return text[: found.start()] + found.expand(to) + text[found.end() :]

    return make


def misspelt(text: str, dice: random.Random) -> str:
    """A letter of some directive is lost."""
    found = dice.choice(list(re.finditer(r"^ +([a-z][a-z0-9-]{5,})(?= )", text, re.MULTILINE)))
    at = dice.randrange(found.start(1), found.end(1) - 1)
    return text[:at] + text[at + 1 :]


def line_lost(pattern: str) -> Mistake:
    return swap(rf"^{pattern}\n", "")


def twice(pattern: str) -> Mistake:
    """A whole block stands two times."""
    return swap(rf"^({pattern}(?:.|\n)*?^</[a-z-]+>\n)", r"\1\1")


MISTAKES: dict[str, Mistake] = {
    "a letter lost": misspelt,
    "unit /hour": swap(r"(max-msg-rate \d+)/h$", r"\1/hour"),
    "unit /minute": swap(r"(max-smtp-msg-rate \d+)/d$", r"\1/minute"),
    "no rate at all": swap(r"max-msg-rate \d+/h$", "max-msg-rate many"),
    "a rate without value": swap(r"max-msg-rate \d+/h$", "max-msg-rate"),
    "host before address": swap(r"smtp-source-host (\S+) (\S+)$", r"smtp-source-host \2 \1"),
    "address alone": swap(r"smtp-source-host (\S+) \S+$", r"smtp-source-host \1"),
    "a bad address": swap(r"smtp-source-host \S+", "smtp-source-host 300.1.2.3"),
    "weight on a member": swap(r"(^  virtual-mta \S+)$", r"\1 weight 50"),
    "an unknown member": swap(r"^  virtual-mta \S+$", "  virtual-mta nobody"),
    "an empty pool": swap(r"(<virtual-mta-pool \S+>\n)(?:  virtual-mta \S+\n)+", r"\1"),
    "a member twice": swap(r"(^  virtual-mta \S+\n)", r"\1\1"),
    "default-virtual-mta-pool": swap(r"^<virtual-mta ", "default-virtual-mta-pool x\n<virtual-mta "),
    "four parts in a key": swap(r"domain-key ([^,\s]+),", r"domain-key \1,example.com,"),
    "two parts in a key": swap(r"domain-key ([^,\s]+),[^,\s]+,", r"domain-key \1,"),
    "two domains in a tag": swap(r"^  <domain \*>", "  <domain gmail.com yahoo.com>"),
    "an unknown macro": swap(r"<domain \$\w+>", "<domain $nowhere>"),
    "a macro in a circle": swap(r"^(domain-macro )(\w+) (\S+)$", r"\1\2 $\2"),
    "an unknown reply list": swap(r"smtp-pattern-list email-engine-replies$", "smtp-pattern-list nowhere"),
    "yes misspelt": swap(r"dkim-sign yes$", "dkim-sign on"),
    "a cap in the wrong place": swap(r"^  <domain \*>\n", "  <domain *>\n    max-smtp-msg-rate 5/d\n"),
    "a queue's rate on the whole IP": swap(r"max-smtp-msg-rate (\S+)$", r"max-msg-rate \1"),
    "an unknown tag": swap(r"^<virtual-mta (\S+)>", r"<virtual-mtas \1>"),
    "a tag in the wrong place": swap(r"^  <domain \*>\n", "  <source 10.0.0.0/8>\n  </source>\n  <domain *>\n"),
    "a block not closed": line_lost("</virtual-mta>"),
    "a stray end": swap(r"^<virtual-mta ", "</domain>\n<virtual-mta "),
    "a brace": swap(r"^<virtual-mta ", "smtp-listener 0.0.0.0:2525 {\n}\n<virtual-mta "),
    "a virtual MTA twice": twice("<virtual-mta [^>]+>"),
    "a pool with a virtual MTA's name": swap(r"<virtual-mta-pool \S+>", "<virtual-mta-pool aurora-1>"),
    "a reserved name": swap(r"^<virtual-mta \S+>", "<virtual-mta {mine}>"),
    "all records": swap(r"records d\S*$", "records all"),
    "the format of records": swap(r"^(<acct-file .*>\n)", r"\1  format csv\n"),
    "backoff and normal": swap(r"mode=backoff$", "mode=backoff,mode=normal"),
    "an unknown action": swap(r"mode=backoff$", "mode=careful"),
    "re-enabled before disabled": swap(r"(reply .*/ )mode=backoff$", r"\1reenable-after=1h"),
    "a broken expression": swap(r"reply /[^/]+/", "reply /(unclosed/"),
    "no expression": swap(r"reply /([^/]+)/", r"reply \1"),
    "a comment in an expression": swap(r"reply /", "reply /x#"),
    "a unit of time": swap(r"move-interval \w+$", "move-interval 5min"),
    "no number of connections": swap(r"max-smtp-out \d+$", "max-smtp-out few"),
    "a word from nowhere": swap(r"^<virtual-mta ", "dkim-selector s1\n<virtual-mta "),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=list(MISTAKES))
@pytest.mark.parametrize("seed", range(3))
def test_a_seeded_mistake_both_find(tmp_path: Path, seed: int, mistake: Mistake) -> None:
    good = rendered(seed)
    bad = mistake(good, random.Random(seed))
    assert bad != good
    assert lab_says(tmp_path, bad) != "", "the lab takes it"
    assert linter_says(bad) != [], "the linter takes it"

"""Whatever the renderer makes, the lab's own strict grammar accepts; the two share no code."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from email_engine.fleet.model import IpState, Mode, MtaHost
from email_engine.fleet.providers import shipped_providers
from email_engine.home import CONFIG
from email_engine.mta.layout import compose
from email_engine.mta.policy import parse_policy
from email_engine.mta.render import render_host
from lab.clock import Clock
from lab.powermta.host import Host
from lab.powermta.recipients import Recipients
from tests.core.mta.records import IpRecord, record

SHIPPED = (CONFIG / "deploy.yaml").read_text()
ROLLED_UP = SHIPPED.replace(
    "max_smtp_out: 10, max_msg_per_connection: 100 }",
    'max_smtp_out: 10, max_msg_per_connection: 100, rollup: {mx: ["*.olc.protection.outlook.com"], '
    'smtp_hosts: "lookup-mx:outlook.com"} }',
)


def render(records: Sequence[IpRecord], policy: str = SHIPPED) -> str:
    sections = render_host(
        MtaHost("mta-1", "powermta_mta-1"), tuple(records), shipped_providers(), parse_policy(policy)
    )
    return compose(sections, None, {r.tenant: Mode.ACT for r in records})


def loaded(root: Path, text: str, version: str = "5.0r5") -> Host:
    clock = Clock(datetime(2026, 11, 1, tzinfo=UTC))
    host = Host("mta-1", root, ("198.51.100.1",), version, clock, Recipients())
    (root / "etc/pmta/email-engine.conf").write_text(text)
    host.restart()
    return host


@pytest.mark.parametrize("version", ["4.5", "5.0r1", "5.0r5"])
def test_the_shipped_policy_loads_in_every_release(tmp_path: Path, version: str) -> None:
    host = loaded(
        tmp_path, render([record(n, tenant) for tenant in ("aurora", "borealis") for n in (1, 2)]), version
    )
    assert host.start_error == ""
    assert host.model is not None
    assert set(host.model.vmtas) >= {"aurora-1", "borealis-2"}
    assert host.book.effective("hotmail.fr", "aurora-1")["max-msg-rate"] == "250/h"
    assert host.book.effective("example.org", "aurora-1")["max-msg-rate"] == "1000/h"
    assert host.book.effective("gmail.com", "aurora-1")["dkim-sign"] == "yes"


def test_rollups_load(tmp_path: Path) -> None:
    text = render([record(1)], ROLLED_UP)
    assert "microsoft.rollup" in text
    assert loaded(tmp_path, text).start_error == ""


@pytest.mark.parametrize("seed", range(20))
def test_any_mix_of_states_and_allowances_loads(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    records = [
        record(
            n,
            tenant,
            state=dice.choice(list(IpState)),
            allowance=dice.choice([0, 1, 50, 777, 10_000]),
            braked=dice.random() < 0.2,
            **({"address": ip_address("2001:db8::") + n} if dice.random() < 0.2 else {}),
        )
        for tenant in ("aurora", "borealis")
        for n in range(1, dice.randint(2, 40))
    ]
    host = loaded(tmp_path, render(records))
    assert host.start_error == ""
    assert host.model is not None
    assert len(host.model.vmtas) == len(records)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("max-msg-rate 1000/h", "max-msg-rate 1000/hour"),
        ("smtp-source-host 198.51.100.1 mail1.aurora-mail.example", "smtp-source-host mail1.aurora-mail.example 198.51.100.1"),
        ("domain-key s1,", "domain-key s1,x,"),
        ("  virtual-mta aurora-1", "  virtual-mta aurora-1 weight 100"),
        ("records d,b,t", "records all"),
        ("dkim-sign yes", "dkim-sing yes"),
    ],
)  # fmt: skip
def test_seeded_mistakes_are_caught(tmp_path: Path, right: str, wrong: str) -> None:
    text = render([record(1)])
    assert right in text
    host = loaded(tmp_path, text.replace(right, wrong, 1))
    assert host.start_error

"""Whatever the renderer makes, the lab's own strict grammar accepts; the two share no code."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from email_engine.accounting.summarize import summarize
from email_engine.fleet.model import IpState, Mode, MtaBase, MtaHost
from email_engine.fleet.providers import shipped_providers
from email_engine.paths import CONFIG
from email_engine.pmta.config.deploy_policy import parse_policy
from email_engine.pmta.config.layout import compose
from email_engine.pmta.config.render import render_host
from lab.clock import Clock
from lab.mail import Message
from lab.powermta.host import Host
from lab.powermta.recipients import Recipients
from lab.powermta.routing import Refusal, Router
from tests.core.pmta.records import IpRecord, record

SHIPPED = (CONFIG / "deploy.yaml").read_text()
ALONE = SHIPPED.replace("rollups: true", "rollups: false").replace(
    "bounce_categories: true", "bounce_categories: false"
)
HOST = MtaHost("mta-1", "powermta_mta-1")
WHOLE = replace(HOST, config_file="/etc/pmta/config", base=MtaBase("ops@example.com", ("127.0.0.1:2525",)))
REPORTED = replace(
    WHOLE,
    base=MtaBase("ops@example.com", ("127.0.0.1:2525", "10.0.0.5:25"), complaint_addresses=("fbl@f.example",), bounce_addresses=("late@b.example",)),
)  # fmt: skip
ADDRESSES = (ip_address("127.0.0.1"), ip_address("2001:db8::7"))


def render(records: Sequence[IpRecord], policy: str = SHIPPED, host: MtaHost = HOST) -> str:
    sections = render_host(host, tuple(records), shipped_providers(), parse_policy(policy))
    return compose(sections, None, {r.tenant: Mode.ACT for r in records})


def loaded(root: Path, text: str, version: str = "5.0r5", file: str = "email-engine.conf") -> Host:
    clock = Clock(datetime(2026, 11, 1, tzinfo=UTC))
    host = Host("mta-1", root, ("198.51.100.1",), version, clock, Recipients())
    (root / "etc/pmta" / file).write_text(text)
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
    for domain, limits in (
        ("example.org", ("2", "20")), ("gmail.com", ("20", "100")), ("hotmail.fr", ("10", "100")),
        ("aol.com", ("20", "20")), ("web.de", ("4", "20")), ("sfr.fr", ("2", "20")),
    ):  # fmt: skip
        settings = host.book.effective(domain, "aurora-1")
        assert (settings["max-smtp-out"], settings["max-msg-per-connection"]) == limits
    assert host.book.effective("gmail.com", "aurora-1")["dkim-sign"] == "yes"


@pytest.mark.parametrize("version", ["4.5", "5.0r1", "5.0r5"])
def test_a_provider_is_one_queue_with_its_limits(tmp_path: Path, version: str) -> None:
    host = loaded(tmp_path, render([record(1)]), version)
    names = {
        host.book.queue(domain, "aurora-1").name
        for domain in ("gmail.com", "googlemail.com", "outlook.com", "msn.com")
    }
    assert names == {"gmail.rollup/aurora-1", "microsoft.rollup/aurora-1"}
    settings = host.book.effective("gmail.rollup", "aurora-1")
    assert (settings["max-msg-rate"], settings["max-smtp-out"]) == ("250/h", "20")
    assert settings["smtp-hosts"] == "lookup-mx:gmail.com"
    assert (settings["dkim-sign"], settings["smtp-pattern-list"]) == ("yes", "email-engine-replies")


@pytest.mark.parametrize("version", ["4.5", "5.0r1", "5.0r5", "5.5"])
def test_a_bound_holds_in_the_one_queue_of_its_provider(tmp_path: Path, version: str) -> None:
    host = loaded(
        tmp_path,
        render([record(1, bounds={"microsoft": 50, "gmx": 10, "orange": 5}), record(2)]),
        version,
    )
    assert host.start_error == ""
    for domain, rate, backoff in (
        ("microsoft.rollup", "60/d", "60/d"), ("hotmail.fr", "60/d", "60/d"), ("gmx.rollup", "12/d", "12/d"),
        ("wanadoo.fr", "6/d", "6/d"), ("gmail.rollup", "250/h", "30/h"), ("icloud.rollup", "250/h", "30/h"),
        ("example.org", "1000/h", "30/h"),
    ):  # fmt: skip
        settings = host.book.effective(domain, "aurora-1")
        assert (settings["max-msg-rate"], settings["backoff-max-msg-rate"]) == (rate, backoff), domain
        assert host.book.effective(domain, "aurora-2")["max-msg-rate"].endswith("/h")
    assert host.book.queue("outlook.com", "aurora-1").name == "microsoft.rollup/aurora-1"


def test_both_switches_leave_the_rest_of_the_host_alone(tmp_path: Path) -> None:
    host = loaded(tmp_path, render([record(1)], ALONE))
    assert host.start_error == ""
    assert host.book.queue("gmail.com", "aurora-1").name == "gmail.com/aurora-1"
    assert host.book.effective("gmail.com", "aurora-1")["max-msg-rate"] == "250/h"


@pytest.mark.parametrize("version", ["4.5", "5.0r5"])
@pytest.mark.parametrize("policy", [SHIPPED, ALONE], ids=["shipped", "alone"])
@pytest.mark.parametrize("whole", [WHOLE, REPORTED], ids=["no reports", "reports"])
def test_a_host_without_an_operators_file_starts_from_ours_alone(
    tmp_path: Path, version: str, policy: str, whole: MtaHost
) -> None:
    records = [record(n, mailwizz_addresses=ADDRESSES) for n in (1, 2)]
    host = loaded(tmp_path, render(records, policy, whole), version, "config")
    assert host.start_error == ""
    assert host.model is not None
    assert [(source.name, source.settings["always-allow-relaying"]) for source in host.model.sources] == [
        ("0/0", "no"), ("127.0.0.1", "yes"), ("2001:db8::7", "yes"),
    ]  # fmt: skip


def message(sender: str, vmta: str = "") -> Message:
    return Message(message_id="m@x", mail_from=sender, rcpt="a@gmail.com", virtual_mta=vmta, job="j")


def test_mail_without_a_virtual_mta_stays_in_its_stream(tmp_path: Path) -> None:
    records = [
        record(1, mailwizz_addresses=ADDRESSES),
        record(
            2,
            mailwizz_addresses=ADDRESSES,
            stream="receipts",
            pool="aurora-receipts",
            domain="tx.two.example",
        ),
    ]
    host = loaded(tmp_path, render(records, host=WHOLE), file="config")
    assert host.model is not None
    router = Router(host.model)
    for sender, vmta, pool in (
        ("b@news1.aurora-mail.example", "", "aurora-newsletter"),
        ("b@tx.two.example", "", "aurora-receipts"),
        ("b@else.example", "", "aurora-newsletter"),
        ("b@tx.two.example", "aurora-1", ""),
    ):
        assert router.route(message(sender, vmta)).pool == pool


def test_nobody_else_relays_on_a_whole_host(tmp_path: Path) -> None:
    host = loaded(tmp_path, render([record(1)], host=WHOLE), file="config")
    assert host.model is not None
    with pytest.raises(Refusal, match="relaying denied"):
        Router(host.model).route(message("b@news1.aurora-mail.example"))


@pytest.mark.parametrize("count", [1, 2_000])
def test_one_ip_and_thousands_load(tmp_path: Path, count: int) -> None:
    """Ten thousand are linted in test_both_grammars and reduced in test_limits."""
    text = render([
        replace(record(1), vmta=f"aurora-{n}", address=ip_address("45.0.0.0") + n, mailwizz_addresses=ADDRESSES)
        for n in range(count)
    ])  # fmt: skip
    host = loaded(tmp_path, text)
    assert host.start_error == ""
    assert host.model is not None
    assert len(host.model.vmtas) == count


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
            mailwizz_addresses=ADDRESSES[:1] if tenant == "aurora" else ADDRESSES[1:],
            stream=(stream := dice.choice(["newsletter", "receipts"])),
            pool=f"{tenant}-{stream}",
            **({"address": ip_address("2001:db8::") + n} if dice.random() < 0.2 else {}),
        )
        for tenant in ("aurora", "borealis")
        for n in range(1, dice.randint(2, 40))
    ]
    whole = dice.random() < 0.5
    text = render(records, dice.choice([SHIPPED, ALONE]), WHOLE if whole else HOST)
    host = loaded(tmp_path, text, dice.choice(["4.5", "5.0r5"]), "config" if whole else "email-engine.conf")
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
        ("records d,b,t,tq,rb,rs", "records all"),
        ("  smtp-hosts lookup-mx:gmail.com\n", ""),
        ("reenable-after=6h", "reenable-after=soon"),
        ("  reply /S3140|S3150/ disable-source-ip,", "  reply /S3140|S3150/ "),
        ("  // other", "  other"),
        ("$engine_gmail>", "$engine_gmial>"),
        ("default-virtual-mta aurora-newsletter", "default-virtual-mta aurora-newsleter"),
        ("process-x-virtual-mta yes", "process-x-vmta yes"),
        ("dkim-sign yes", "dkim-sing yes"),
    ],
)  # fmt: skip
def test_seeded_mistakes_are_caught(tmp_path: Path, right: str, wrong: str) -> None:
    text = render([record(1, mailwizz_addresses=ADDRESSES)])
    assert right in text
    host = loaded(tmp_path, text.replace(right, wrong, 1))
    assert host.start_error


def played(root: Path, traffic: dict[str, dict[str, float]], domain: str = "gmail.com") -> Host:
    """A host under the shipped policy after 40 messages to a provider and two hours."""
    clock = Clock(datetime(2026, 11, 1, tzinfo=UTC))
    host = Host("mta-1", root, ("198.51.100.1",), "5.0r5", clock, Recipients(traffic=traffic))
    (root / "etc/pmta/email-engine.conf").write_text(render([record(1)]))
    host.restart()
    for n in range(40):
        host.submit(Message(f"<{n}@x>", "b@news1.aurora-mail.example", f"r{n}@{domain}", "aurora-1", "j"))
    for _ in range(12):
        clock.advance_to(clock.now() + timedelta(minutes=10))
        host.tick()
    return host


def test_the_reader_copes_with_every_kind_of_record_that_is_written(tmp_path: Path) -> None:
    host = played(tmp_path, {"*": {"remote_bounce_rate": 0.5, "remote_status_rate": 0.5}})
    host.recipients.unreachable.add("yahoo")
    host.submit(Message("<y@x>", "b@news1.aurora-mail.example", "r@yahoo.com", "aurora-1", "j"))
    host.clock.advance_to(host.clock.now() + timedelta(hours=2))
    host.tick()
    host.close()
    kinds: dict[str, int] = {}
    attempts = 0
    for file in sorted((tmp_path / "var/log/pmta").rglob("email-engine-2*.csv")):
        summary = summarize(file, file.name, shipped_providers())
        assert not summary.rejected
        kinds = {
            kind: kinds.get(kind, 0) + summary.by_type.get(kind, 0) for kind in {*kinds, *summary.by_type}
        }
        attempts += sum(counts.attempts for counts in summary.stats.values())
    assert {"d", "tq", "rb", "rs"} <= set(kinds)
    assert attempts == sum(kinds.get(kind, 0) for kind in "dbt")


def test_a_listed_ip_stops_at_that_provider_for_a_while_and_is_no_brake_of_ours(tmp_path: Path) -> None:
    host = played(tmp_path, {"microsoft": {"block_rate": 1.0}}, "hotmail.com")
    (stopped,) = host.book.switches.disabled
    assert (stopped.address, stopped.pattern) == ("198.51.100.1", "microsoft.rollup/aurora-1")
    assert stopped.until < float("inf")
    assert sum(map(len, host.book.queues())) > 30, "the rest waits and is not burnt"
    host.close()

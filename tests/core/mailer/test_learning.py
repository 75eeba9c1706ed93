"""A fleet file may leave a delivery server's id out: the header x-virtual-mta tells."""

from dataclasses import replace
from datetime import UTC, date, datetime
from ipaddress import ip_address

import pytest

from email_engine.fleet.inventory import plan_inventory
from email_engine.fleet.model import Fleet, SendingIp
from email_engine.fleet.parse import parse_fleet
from email_engine.mailer.model import QuotaFinding, Setting
from email_engine.mailer.policy import QuotaPolicy
from email_engine.mailer.quotas import plan_quotas
from tests.core.mailer.test_quota_plan import RECORD, SERVER

DAY = date(2026, 11, 1)
NEW = replace(RECORD, mailwizz_server_id=None)
OLD = replace(RECORD, ip_id=2, vmta="aurora-2", address=ip_address("198.51.100.2"))


def plan(records, servers):
    return plan_quotas(records, servers, {}, QuotaPolicy(), DAY)


def test_the_header_tells_and_the_quota_follows_at_once() -> None:
    unlimited = replace(SERVER, setting=Setting(0, 0, "active"))
    done = plan([NEW], [unlimited, replace(SERVER, server_id=102, vmtas=("aurora-2",))])
    assert done.learned == {NEW.ip_id: 101}
    ((change,), ()) = done.changes, done.refusals
    assert (change.server_id, change.new) == (101, Setting(250, 25, "active"))


def test_a_parked_ip_learns_too_and_its_server_is_shut() -> None:
    parked = replace(NEW, allowance=0)
    done = plan([parked], [replace(SERVER, setting=Setting(0, 0, "active"))])
    assert done.changes[0].new == Setting(1, 1, "disabled")


@pytest.mark.parametrize(
    ("servers", "records", "seen"),
    [
        ([SERVER, replace(SERVER, server_id=109)], [NEW], "servers 101, 109 all name virtual MTA aurora-1"),
        ([SERVER, replace(SERVER, server_id=109, setting=Setting(1, 1, "disabled"))], [NEW], "copied"),
        (
            [replace(SERVER, vmtas=("aurora-1", "aurora-2"))],
            [NEW],
            "several virtual MTAs: aurora-1, aurora-2",
        ),
        ([replace(SERVER, type="amazon-ses-web-api")], [NEW], "its type is amazon-ses-web-api"),
        ([SERVER], [OLD, NEW], "fleet.yaml gives it to 198.51.100.2"),
    ],
    ids=["copied", "copied and off", "two headers", "of another kind", "another IP's"],
)
def test_a_doubt_is_told_and_nothing_is_learned_or_written(servers, records, seen) -> None:
    done = plan(records, servers)
    assert not done.learned
    assert not [change for change in done.changes if change.ip_id == NEW.ip_id]
    (refusal,) = [r for r in done.refusals if r.ip_id == NEW.ip_id]
    assert refusal.finding is QuotaFinding.NOT_LEARNED
    assert seen in str(refusal)


@pytest.mark.parametrize(
    "old",
    [[], [replace(SERVER, setting=Setting(0, 0, "pending-delete"))], [replace(SERVER, vmtas=("aurora-8",))]],
    ids=["deleted", "being deleted", "its header moved"],
)
def test_a_server_that_was_made_anew_is_learned_anew(old) -> None:
    learned = replace(RECORD, server_learned=True, allowance=0)
    fresh = replace(SERVER, server_id=109, setting=Setting(0, 0, "active"))
    done = plan([learned], [*old, fresh])
    assert done.learned == {RECORD.ip_id: 109}
    assert [(c.server_id, c.new.status) for c in done.changes] == [(109, "disabled")]
    named_by_file = plan([replace(RECORD, allowance=0)], [*old, fresh])
    assert not named_by_file.learned, "what the fleet file names is a person's to correct"


def test_a_server_on_its_way_out_is_not_learned() -> None:
    done = plan([NEW], [replace(SERVER, setting=Setting(0, 0, "inactive"))])
    assert (done.learned, [r.finding for r in done.refusals]) == ({}, [QuotaFinding.NOT_LEARNED])


def test_a_server_that_the_file_gives_to_another_is_forgotten_by_who_learned_it() -> None:
    wanted = fleet()
    known = replace(wanted, ips=(learned(wanted.ips[0], 7), wanted.ips[1]))
    first, second = FLEET.index("          - first"), FLEET.index("            dkim")
    singles = "".join(
        f"          - {{address: 198.51.100.{n}, hostname: mail{n}.aurora.example, domain: n{n}.aurora.example, vmta: aurora-{n}, host: mta-1, "
        f'dkim: {{selector: s1, key_path: "/etc/pmta/dkim/{{domain}}.pem"}}{", mailwizz_server_id: 7" if n == 2 else ""}}}\n'
        for n in (1, 2)
    )
    given = fleet(FLEET[:first] + singles + FLEET[second:].split("\n", 1)[1])
    changed = {str(c.ip.address): c.ip.mailwizz_server_id for c in plan_inventory(given, known).changes}
    assert changed == {"198.51.100.1": None, "198.51.100.2": 7}


def test_who_stands_by_waits_in_silence_and_who_sends_is_told() -> None:
    waiting = replace(NEW, state=NEW.state.STANDBY, allowance=0)
    assert not plan([waiting], []).refusals
    (refusal,) = plan([NEW], []).refusals
    assert str(refusal) == (
        "no server (198.51.100.1): no delivery server has the header x-virtual-mta: aurora-1. Next: create one in MailWizz "
        "with the additional header x-virtual-mta: aurora-1; it is found by that"
    )


FLEET = """version: 1
mta_hosts: [{name: mta-1}]
mailwizz: [{name: mw, tenant: aurora}]
tenants:
  - name: aurora
    mode: act
    daily_quota: 100000
    streams:
      - name: newsletter
        consent: double opt-in
        risk_class: standard
        mailwizz: mw
        schedule: six_week
        daily_target: 1000
        ips:
          - first: 198.51.100.1
            count: 2
            hostname: mail{n}.aurora.example
            domain: n{n}.aurora.example
            vmta: aurora-{n}
            hosts: [mta-1]
            dkim: {selector: s1, key_path: "/etc/pmta/dkim/{domain}.pem"}
"""


def fleet(text: str = FLEET) -> Fleet:
    return parse_fleet(text, "fleet.yaml", today=datetime.now(UTC).date())


def learned(ip: SendingIp, server_id: int) -> SendingIp:
    return replace(ip, mailwizz_server_id=server_id)


def test_a_file_read_again_forgets_nothing_that_was_learned() -> None:
    wanted = fleet()
    assert [ip.mailwizz_server_id for ip in wanted.ips] == [None, None]
    known = replace(wanted, ips=tuple(learned(ip, 7 + n) for n, ip in enumerate(wanted.ips)))
    assert plan_inventory(wanted, known).empty
    (change, _) = plan_inventory(fleet(FLEET.replace("mail{n}", "out{n}")), known).changes
    assert change.ip.mailwizz_server_id == 7, "another host name is no other delivery server"
    (change, _) = plan_inventory(fleet(FLEET.replace("aurora-{n}", "other-{n}")), known).changes
    assert change.ip.mailwizz_server_id is None, "another virtual MTA is another delivery server"
    given = fleet(
        FLEET.replace("            hosts", "            mailwizz_first_server_id: 30\n            hosts")
    )
    assert [c.ip.mailwizz_server_id for c in plan_inventory(given, known).changes] == [30, 31]

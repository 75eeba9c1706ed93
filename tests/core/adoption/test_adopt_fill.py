"""A draft filled in by MailWizz and a person; by hand-made configurations."""

from dataclasses import replace
from typing import Any

from email_engine.adoption.adopt import Wishes, read_host
from email_engine.adoption.answers import Answers, read_answers
from email_engine.adoption.as_fleet import as_fleet
from email_engine.adoption.draft import Blank, FleetDraft
from email_engine.adoption.fill import AdoptionFacts, fill
from email_engine.adoption.merge import merge_drafts
from email_engine.adoption.servers import InstanceSeen, join_servers
from email_engine.adoption.write import blanks_in, write_fleet
from email_engine.fleet.parse import parse_fleet
from email_engine.mailer.model import DeliveryServer, Setting
from email_engine.mailer.policy import QuotaPolicy
from email_engine.mailer.senders import Customer, CustomerQuota, Senders
from email_engine.pmta.language.assembly import assemble
from email_engine.warmup.policy_file import load_policy
from tests.adopted_fleet import HandIp, configuration

POLICY = load_policy()
SCHEDULES = frozenset(POLICY.schedules)
IPS = (
    HandIp("news-1", "198.51.100.1", "1200/d", pool="news"),
    HandIp("news-2", "198.51.100.2", "", pool="news"),
    HandIp("news-3", "198.51.100.3", "100/h", pool="news"),
)


def read(*ips: HandIp, host: str = "mta-1", **owners: str) -> FleetDraft:
    wishes = Wishes(120, host, None, None if owners else "aurora", False, owners)
    return read_host(assemble(configuration(host, ips), "config"), wishes).draft


def facts(
    answers: Answers | None = None, *instances: InstanceSeen, vmtas: tuple[str, ...] = (), **more: Any
) -> AdoptionFacts:
    join = join_servers(vmtas, (), instances, QuotaPolicy())
    return AdoptionFacts(join, instances, {}, POLICY, 120, answers or Answers(), **more)


def servers(*quotas: int, customers: dict[int, Customer] | None = None) -> InstanceSeen:
    made = tuple(
        DeliveryServer(n, f"s{n}", "smtp-pmta", "", Setting(quota, 0, "active"), (f"news-{n}",))
        for n, quota in enumerate(quotas, 1)
    )
    return InstanceSeen("mw-1", "aurora", made, Senders(customers, {}, ()))


def targets(draft: FleetDraft) -> list[Any]:
    return [sender.target for _, _, sender in draft.senders()]


def test_targets_come_from_caps_then_quotas_then_the_stream() -> None:
    draft = merge_drafts([read(*IPS)], "fleet_adopt")
    fill(draft, facts(None, servers(0, 700, 0), vmtas=("news-1", "news-2", "news-3")))
    assert targets(draft) == [1000, 700, 2000]
    alone = merge_drafts([read(*IPS[:2])], "fleet_adopt")
    fill(alone, facts())
    assert targets(alone) == [1000, 1000]
    nothing = merge_drafts([read(IPS[1])], "fleet_adopt")
    fill(nothing, facts())
    assert isinstance(targets(nothing)[0], Blank)


def test_the_quota_of_the_customers_is_the_tenants_and_no_ip_is_promised_more() -> None:
    quota = CustomerQuota(800, "sending.quota 24,000 a month")
    draft = merge_drafts([read(*IPS[:1])], "fleet_adopt")
    fill(draft, facts(None, servers(0, customers={1: Customer(1, True, None, quota)}), vmtas=("news-1",)))
    (tenant,) = draft.tenants
    assert (tenant.daily_quota, tenant.mailwizz) == (800, "mw-1")
    assert "sending.quota 24,000 a month" in tenant.quota_remark
    assert targets(draft) == [800]


def test_without_a_quota_it_is_what_the_ips_carry() -> None:
    for customers, why in (
        ({1: Customer(1, True)}, "no quota bounds its customers"),
        (None, "could not be read"),
        ({}, "no delivery server of theirs is known"),
    ):
        draft = merge_drafts([read(*IPS[:1])], "fleet_adopt")
        fill(draft, facts(None, servers(0, customers=customers), vmtas=("news-1",)))
        assert draft.tenants[0].daily_quota == 1000
        assert why in draft.tenants[0].quota_remark or not customers


def test_what_a_person_says_leaves_only_what_nobody_said() -> None:
    draft = merge_drafts([read(*IPS[:1])], "fleet_adopt")
    fill(draft, facts(versions={"mta-1": "5.0r5"}))
    assert blanks_in(write_fleet(draft, ranges=False)) == {
        "purpose": 1,
        "consent": 1,
        "risk_class": 1,
        "state": 1,
    }
    said = read_answers(
        {"purpose": "letters", "consent": "news=opt-in", "risk_class": "protected"}, SCHEDULES
    )
    fill(draft, facts(said, versions={"mta-1": "5.0r5"}))
    assert blanks_in(write_fleet(draft, ranges=False)) == {"state": 1}


def test_a_stream_without_a_pool_gets_its_name_from_a_person() -> None:
    draft = merge_drafts([read(replace(IPS[0], pool=""))], "fleet_adopt")
    fill(draft, facts(Answers(stream="letters")))
    (stream,) = draft.tenants[0].streams
    assert (stream.name, stream.pool) == ("letters", "aurora-letters")


def test_an_address_behind_nat_is_filled_in_where_it_is_said() -> None:
    behind = HandIp("news-1", "10.0.0.5", "1200/d", pool="news")
    draft = merge_drafts([read(behind)], "fleet_adopt")
    fill(draft, facts(read_answers({"public": "mta-1/10.0.0.5=198.51.100.77"}, SCHEDULES)))
    text = write_fleet(draft, ranges=False)
    assert "- address: 198.51.100.77" in text
    assert "bind_address: 10.0.0.5" in text


def test_two_hosts_with_one_pool_are_one_stream() -> None:
    other = HandIp("news-4", "198.51.100.4", "1200/d", pool="news")
    draft = merge_drafts([read(IPS[0]), read(other, host="mta-2")], "fleet_adopt")
    said = read_answers({"purpose": "x", "consent": "y", "risk_class": "standard"}, SCHEDULES)
    fill(draft, facts(said, versions={"mta-1": "5.0r5", "mta-2": "4.5r2"}))
    for _, stream, _ in draft.senders():
        stream.senders = [replace(sender, state="standby") for sender in stream.senders]  # type: ignore[arg-type]
    fleet = parse_fleet(write_fleet(draft, ranges=False).replace("<...>", "standby"), "draft")
    assert [(ip.vmta, ip.mta_host) for ip in fleet.ips] == [("news-1", "mta-1"), ("news-4", "mta-2")]
    assert len(fleet.streams) == 1
    assert [host.version for host in fleet.mta_hosts] == ["5.0r5", "4.5r2"]


def test_tenants_follow_owners_pools_and_names() -> None:
    ips = (
        HandIp("a-1", "198.51.100.1", pool="one"), HandIp("a-2", "198.51.100.2", pool="one"), HandIp("b-1", "198.51.100.3", pool="two"),
        HandIp("b-2", "198.51.100.4"), HandIp("c", "198.51.100.5"),
    )  # fmt: skip
    draft = read(*ips, **{"a-1": "aurora", "b-1": "birch"})
    by_tenant = {
        tenant.name: [s.known_as for stream in tenant.streams for s in stream.senders]
        for tenant in draft.tenants
    }
    assert by_tenant["aurora"] == ["a-1", "a-2"]
    assert by_tenant["birch"] == ["b-1", "b-2"]
    assert [names for tenant, names in by_tenant.items() if isinstance(tenant, Blank)] == [["c"]]
    assert "a-2 of aurora by its pool, b-2 of birch by its name" in draft.notes[0]


def test_stand_ins_never_meet() -> None:
    behind = [HandIp(f"v-{n}", f"10.0.0.{n}", pool="p") for n in range(1, 4)]
    fleet = as_fleet(merge_drafts([read(*behind), read(*behind, host="mta-2")], "fleet_adopt"))
    assert len({ip.address for ip in fleet.ips}) == 6
    assert {str(ip.bind_address) for ip in fleet.ips} == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}


def test_the_address_of_a_mailwizz_is_its_tenants() -> None:
    wishes = Wishes(
        120, "mta-1", None, None, False, {"news-1": "aurora", "news-2": "birch"}, {"192.0.2.9": "birch"}
    )
    draft = read_host(assemble(configuration("mta-1", IPS[:2]), "config"), wishes).draft
    assert {tenant.name: [str(a) for a in tenant.submitters] for tenant in draft.tenants} == {
        "aurora": [],
        "birch": ["192.0.2.9"],
    }


def test_a_blank_domain_says_what_its_server_sends_as() -> None:
    text = (
        "domain-key s1,*,/etc/pmta/shared.pem\n"
        "<virtual-mta news-1>\n    smtp-source-host 198.51.100.1 mail1.aurora.example\n</virtual-mta>\n"
    )
    draft = merge_drafts(
        [read_host(assemble(text, "config"), Wishes(120, "mta-1", None, "aurora", False)).draft], "x"
    )
    fill(draft, facts(None, replace(servers(700), domains={1: "letters.aurora.example"}), vmtas=("news-1",)))
    ((_, _, sender),) = draft.senders()
    assert isinstance(sender.domain, Blank), "a campaign may have another From: a person says it"
    assert "sends as letters.aurora.example" in sender.domain.hint

"""dns_validate's tasks against the lab's zones and a real database."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from sqlalchemy import select, update

from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.judgement.observations import observe
from email_engine.store.telling import alerts
from email_engine.warmup.observation import DnsHealth
from email_engine.warmup.plan import Quotas
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.transition_request import read_request
from email_engine.warmup.transitions_by_hand import answer
from email_engine_airflow.operators.dns_validate import CheckDns, CheckDomain
from email_engine_airflow.operators.names import ListNames
from lab.testing import RunningLab
from tests.dns_lab import AS_OF, connect, context, dns_lab
from tests.fleet_rows import add_host, add_ip, add_tenant

DAY = timedelta(days=1)
PREFIXES = ("news", "mail")


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with dns_lab(tmp_path_factory.mktemp("lab"), tenants=("aurora", "borealis")) as running:
        yield running


@pytest.fixture
def lab(
    module_lab: RunningLab, engine_database_url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningLab]:
    """Two IPs a tenant in the database, as the lab's zones have them."""
    connect(monkeypatch, module_lab, engine_database_url)
    key = Path(module_lab.world["state"]) / "keys" / "dkim.pem"
    with store.session(tenant="*") as conn:
        add_host(conn)
        for tenant, network in (("aurora", "198.51.100"), ("borealis", "203.0.113")):
            add_tenant(conn, tenant)
            for n, prefix in enumerate(PREFIXES, 1):
                ip_id = add_ip(conn, n, tenant, network=network)
                domain = {"name": f"{prefix}{n}.{tenant}-mail.example", "dkim_key_path": str(key)}
                conn.execute(update(s.domains).where(s.domains.c.ip_id == ip_id).values(**domain))
    yield module_lab
    for broken in module_lab.state()["dns"]["broken"]:
        module_lab.knob("mend_record", domain=broken["domain"], which=broken["which"])


def check(as_of: Any = AS_OF, tenant: str = "aurora", **params: Any) -> dict[str, Any]:
    return CheckDns(task_id="check", tenant=tenant).execute(context("dns_validate", as_of, **params))


def domain(store: Store, name: str) -> Any:
    with store.session(tenant="*") as conn:
        return conn.execute(select(s.domains).where(s.domains.c.name == name)).one()


def verdicts(store: Store, name: str) -> dict[str, bool | None]:
    row = domain(store, name)
    return {g: getattr(row, f"{g}_valid") for g in ("spf", "dkim", "dmarc", "ptr", "mx")}


def told(store: Store) -> list[tuple[str, str, str]]:
    with store.session(tenant="*") as conn:
        return [(a.event, a.severity, a.text) for a in alerts.pending(conn)]


def findings(store: Store) -> list[Any]:
    with store.session(tenant="*") as conn:
        return list(conn.execute(select(s.dns_checks).order_by(s.dns_checks.c.id)))


def health(store: Store, now: datetime) -> DnsHealth:
    """What the warm-up knows at `now` of the first IP's DNS."""
    with store.session(tenant="*") as conn:
        seen = observe(conn, "aurora", now.date(), now.date() + DAY, load_policy(), as_of=now)
    return seen[0].dns


def refusal_of_start(store: Store, now: datetime) -> str:
    """Why a person may not start the first IP, apart from what else speaks against it; "" if its DNS does not."""
    with store.session(tenant="*") as conn:
        conn.execute(update(s.ips).values(status="standby", lists_checked_at=now))
        seen = observe(conn, "aurora", now.date(), now.date() + DAY, load_policy(), as_of=now)
    request = read_request({"event": "start", "reason": "asked for"}, now.date())
    first = {seen[0].ip.ip_id}
    done = answer(seen, first, request, load_policy(), Quotas(500_000), now)
    return "; ".join(part for error in done.refused for part in error.observed.split("; ") if "DNS" in part)


def by_hand(**form: Any) -> dict[str, Any]:
    done: dict[str, Any] = CheckDomain(task_id="by_hand").execute(context("dns_validate", **form))
    return done


ALL_GOOD = {"spf": True, "dkim": True, "dmarc": True, "ptr": True, "mx": True}


def test_a_well_kept_fleet_is_valid_and_nobody_is_told(lab: RunningLab, store: Store) -> None:
    assert ListNames(task_id="tenants", of="tenants with IPs").execute(context("dns_validate")) == [
        "aurora",
        "borealis",
    ]
    assert check() == {"tenant": "aurora", "ips": 2, "broken": 0, "unknown": 0, "changed": 0}
    assert verdicts(store, "news1.aurora-mail.example") == ALL_GOOD
    assert domain(store, "news1.aurora-mail.example").last_dns_check == AS_OF
    assert domain(store, "news1.borealis-mail.example").last_dns_check is None
    assert told(store) == []
    assert "dkim.match" in {row.check_id for row in findings(store)}
    assert ("ok", "info") not in {(row.status, row.severity) for row in findings(store)}


@pytest.mark.parametrize(
    ("which", "how", "group", "verdict"),
    [
        ("spf", "missing", "spf", False),
        ("spf", "wrong", "spf", False),
        ("spf", "timeout", "spf", None),
        ("dkim", "wrong", "dkim", False),
        ("dkim", "servfail", "dkim", None),
        ("dmarc", "wrong", "dmarc", False),
        ("ptr", "wrong", "ptr", False),
        ("ptr", "duplicate", "ptr", False),
        ("mx", "wrong", "mx", False),
        ("helo", "wrong", "ptr", False),
    ],
)
def test_a_broken_record_is_broken_and_a_silent_one_unknown(
    lab: RunningLab, store: Store, which: str, how: str, group: str, verdict: bool | None
) -> None:
    lab.knob("break_record", domain="news1.aurora-mail.example", which=which, how=how)
    summary = check()
    assert verdicts(store, "news1.aurora-mail.example")[group] is verdict
    assert verdicts(store, "mail2.aurora-mail.example") == ALL_GOOD
    assert (summary["broken"], summary["unknown"]) == ((1, 0) if verdict is False else (0, 1))


def test_an_alert_carries_the_record_and_comes_once_for_a_change(lab: RunningLab, store: Store) -> None:
    lab.knob("break_record", domain="news1.aurora-mail.example", which="spf", how="missing")
    check()
    ((event, severity, text),) = told(store)
    assert (event, severity) == ("dns", "warning")
    assert 'news1.aurora-mail.example. TXT "v=spf1 ip4:198.51.100.1 -all"' in text
    assert check(AS_OF + DAY)["changed"] == 0
    lab.knob("break_record", domain="news1.aurora-mail.example", which="spf", how="timeout")
    assert check(AS_OF + 2 * DAY)["changed"] == 0
    lab.knob("break_record", domain="news1.aurora-mail.example", which="spf", how="missing")
    assert check(AS_OF + 3 * DAY)["changed"] == 0
    lab.knob("break_record", domain="mail2.aurora-mail.example", which="mx", how="wrong")
    assert check(AS_OF + 4 * DAY)["changed"] == 1
    lab.knob("mend_record", domain="news1.aurora-mail.example")
    lab.knob("mend_record", domain="mail2.aurora-mail.example")
    assert check(AS_OF + 5 * DAY)["changed"] == 2
    texts = [text for event, _, text in told(store) if event == "dns"]
    assert len(texts) == 3
    assert "mended: mx.record mail2.aurora-mail.example" in "".join(texts)
    assert check(AS_OF + 6 * DAY)["changed"] == 0


def test_a_silent_dns_makes_everything_unknown_with_one_alert(lab: RunningLab, store: Store) -> None:
    check()
    lab.knob("silence_dns", on=True)
    try:
        summary = check(AS_OF + DAY)
    finally:
        lab.knob("silence_dns", on=False)
    assert (summary["broken"], summary["unknown"]) == (0, 2)
    assert verdicts(store, "news1.aurora-mail.example") == ALL_GOOD, "what is unknown keeps its last answer"
    assert health(store, AS_OF + 2 * DAY) is DnsHealth.OK
    assert health(store, AS_OF + 4 * DAY) is DnsHealth.UNKNOWN, "an answer of three days ago is none"
    ((event, _, text),) = told(store)
    assert event == "dns_unknown"
    assert "2 of 2 IPs" in text
    check(AS_OF + 2 * DAY)
    assert verdicts(store, "news1.aurora-mail.example") == ALL_GOOD


def test_silence_before_any_answer_is_unknown(lab: RunningLab, store: Store) -> None:
    lab.knob("silence_dns", on=True)
    try:
        check()
    finally:
        lab.knob("silence_dns", on=False)
    assert set(verdicts(store, "news1.aurora-mail.example").values()) == {None}
    assert health(store, AS_OF + timedelta(hours=1)) is DnsHealth.UNKNOWN


def test_a_red_domain_keeps_its_ip_from_starting_also_when_dns_falls_silent(
    lab: RunningLab, store: Store
) -> None:
    lab.knob("break_record", domain="news1.aurora-mail.example", which="spf", how="wrong")
    check()
    assert verdicts(store, "news1.aurora-mail.example")["spf"] is False
    assert "its DNS is broken (spf.result)" in refusal_of_start(store, AS_OF + timedelta(hours=1))
    lab.knob("break_record", domain="news1.aurora-mail.example", which="spf", how="timeout")
    check(AS_OF + DAY)
    assert verdicts(store, "news1.aurora-mail.example")["spf"] is False
    assert "its DNS is broken (spf.result)" in refusal_of_start(store, AS_OF + DAY + timedelta(hours=1))
    lab.knob("mend_record", domain="news1.aurora-mail.example")
    check(AS_OF + 2 * DAY)
    assert refusal_of_start(store, AS_OF + 2 * DAY + timedelta(hours=1)) == ""


def test_a_good_answer_about_another_domain_is_none_about_this_one(lab: RunningLab, store: Store) -> None:
    check()
    with store.session(tenant="*") as conn:
        forgotten = dict.fromkeys(("spf_valid", "dkim_valid", "dmarc_valid", "ptr_valid", "mx_valid"))
        conn.execute(update(s.domains).values(**forgotten, last_dns_check=None))
    lab.knob("silence_dns", on=True)
    try:
        check(AS_OF + DAY)
    finally:
        lab.knob("silence_dns", on=False)
    assert health(store, AS_OF + DAY + timedelta(hours=1)) is DnsHealth.UNKNOWN


def test_what_is_no_longer_there_to_be_broken_is_mended_once(lab: RunningLab, store: Store) -> None:
    lab.knob("break_record", domain="news1.aurora-mail.example", which="ptr", how="wrong")
    check()
    lab.knob("mend_record", domain="news1.aurora-mail.example")
    assert check(AS_OF + DAY)["changed"] > 0
    assert check(AS_OF + 2 * DAY)["changed"] == 0
    assert check(AS_OF + 3 * DAY)["changed"] == 0


def test_a_domain_of_the_fleet_is_checked_by_hand_as_the_fleet_has_it(lab: RunningLab, store: Store) -> None:
    found = by_hand(domain="news1.aurora-mail.example")
    assert found == {
        "domain": "news1.aurora-mail.example", "tenant": "aurora", "ip": "198.51.100.1", "valid": ALL_GOOD, "ready": True,
        "missing": [],
    }  # fmt: skip
    assert findings(store) == []
    assert (
        ListNames(task_id="tenants", of="tenants with IPs").execute(
            context("dns_validate", domain="news1.aurora-mail.example")
        )
        == []
    )


def test_a_strange_domain_is_checked_by_hand_with_what_the_form_says(
    lab: RunningLab, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    found = by_hand(domain="nobody.example", ip="198.51.100.1", selector="s1")
    assert (found["tenant"], found["ready"]) == (None, False)
    assert found["valid"] == {"spf": False, "dkim": False, "dmarc": False, "ptr": True, "mx": False}
    assert 'nobody.example. TXT "v=spf1 ip4:198.51.100.1 -all"' in caplog.text
    assert findings(store) == []


@pytest.mark.parametrize(
    ("form", "mistake"),
    [
        ({"domain": "no domain"}, "'no domain'"),
        ({"domain": "a.example", "ip": "10.0.0.1"}, "private"),
        ({"domain": "a.example", "selector": "s 1"}, "'s 1'"),
        ({"ip": "198.51.100.1"}, "without a domain"),
    ],
    ids=["domain", "IP", "selector", "no domain"],
)
def test_a_mistake_in_the_form_fails_at_once(
    lab: RunningLab, store: Store, form: dict[str, Any], mistake: str
) -> None:
    with pytest.raises(AirflowFailException, match=mistake):
        by_hand(**form)


def test_without_a_domain_there_is_nothing_to_do_by_hand(lab: RunningLab, store: Store) -> None:
    for empty in (None, "", "  "):
        with pytest.raises(AirflowSkipException, match="the fleet is checked"):
            by_hand(domain=empty)


def test_a_cleared_task_replaces_its_own_findings(lab: RunningLab, store: Store) -> None:
    check()
    before = len(findings(store))
    lab.knob("break_record", domain="news1.aurora-mail.example", which="ptr", how="wrong")
    check()
    after = findings(store)
    broken = [row for row in after if row.status == "broken" and row.check_id == "ptr.record"]
    assert len(broken) == 1
    assert broken[0].remedy == "1.100.51.198.in-addr.arpa. PTR mail1.aurora-mail.example."
    assert before <= len(after) <= before + 3


def test_an_older_run_never_overwrites_a_newer_verdict(lab: RunningLab, store: Store) -> None:
    check(AS_OF + DAY)
    lab.knob("break_record", domain="news1.aurora-mail.example", which="spf", how="missing")
    check(AS_OF)
    assert domain(store, "news1.aurora-mail.example").last_dns_check == AS_OF + DAY
    assert verdicts(store, "news1.aurora-mail.example")["spf"] is True


def test_a_dry_run_writes_nothing(lab: RunningLab, store: Store) -> None:
    lab.knob("break_record", domain="news1.aurora-mail.example", which="spf", how="missing")
    assert check(dry_run=True)["broken"] == 1
    assert findings(store) == []
    assert told(store) == []
    assert domain(store, "news1.aurora-mail.example").spf_valid is None


def test_sending_state_is_never_touched(lab: RunningLab, store: Store) -> None:
    lab.knob("break_record", domain="news1.aurora-mail.example", which="dkim", how="missing")
    everything = select(s.ips, s.warmup_plans).join_from(
        s.ips, s.warmup_plans, s.ips.c.id == s.warmup_plans.c.ip_id
    )
    with store.session(tenant="*") as conn:
        before = conn.execute(everything).all()
    check()
    with store.session(tenant="*") as conn:
        assert conn.execute(everything).all() == before
        assert conn.execute(select(s.decisions)).all() == []

"""Allowances to quotas, as a table."""

from dataclasses import replace
from datetime import UTC, date, datetime
from ipaddress import ip_address

import pytest

from email_engine.fleet.mistakes import FileInvalid
from email_engine.fleet.model import IpRecord, IpState, Mode, RiskClass
from email_engine.mailer.model import DeliveryServer, LastSync, QuotaFinding, QuotaPlan, Setting, Warmup
from email_engine.mailer.policy import Drift, QuotaPolicy, parse_quota_policy
from email_engine.mailer.quotas import plan_quotas

DAY = date(2026, 11, 1)
POLICY = QuotaPolicy()
RECORD = IpRecord(
    ip_id=1, address=ip_address("198.51.100.1"), hostname="mail1.aurora-mail.example", domain="n1.aurora-mail.example",
    tenant="aurora", mode=Mode.ACT, stream="newsletter", risk_class=RiskClass.STANDARD, vmta="aurora-1",
    pool="aurora-newsletter", mta_host="mta-1", mailwizz="mw-aurora", mailwizz_server_id=101, dkim_selector="s1",
    dkim_key_path="/k", state=IpState.WARMING, state_since=datetime(2026, 10, 1, tzinfo=UTC), allowance=250,
    daily_target=10_000, schedule="six_week", phase=3, sent_days_in_phase=2,
)  # fmt: skip
SERVER = DeliveryServer(101, "aurora-1", "smtp-pmta", "mta-1", Setting(250, 25, "active"), ("aurora-1",))
PARKED = replace(RECORD, state=IpState.STANDBY, allowance=0)


def planned(
    record: IpRecord = RECORD,
    setting: Setting | None = None,
    last: LastSync | None = None,
    others: tuple[DeliveryServer, ...] = (),
    **server: object,
) -> QuotaPlan:
    one = replace(SERVER, setting=setting or SERVER.setting, **server)  # type: ignore[arg-type]
    return plan_quotas([record], [one, *others], {101: last} if last else {}, POLICY, DAY)


def outcome(plan: QuotaPlan) -> tuple[Setting | None, list[QuotaFinding]]:
    return (plan.changes[0].new if plan.changes else None), [r.finding for r in plan.refusals]


@pytest.mark.parametrize(
    ("record", "setting", "last", "new", "findings"),
    [
        (RECORD, Setting(250, 25, "active"), None, None, []),
        (RECORD, Setting(250, 25, "in-use"), None, None, []),
        (RECORD, Setting(100, 10, "in-use"), None, Setting(250, 25, "in-use"), []),
        (RECORD, Setting(0, 0, "active"), None, Setting(250, 25, "active"), []),
        (replace(RECORD, allowance=10_000), Setting(250, 25, "active"), None, Setting(10_000, 1000, "active"), []),
        (replace(RECORD, allowance=50_000), Setting(1, 1, "active"), None, Setting(50_000, 1000, "active"), [QuotaFinding.HANDS_LESS]),
        (replace(RECORD, allowance=1), Setting(9, 9, "active"), None, Setting(1, 1, "active"), []),
        (replace(RECORD, allowance=11), Setting(9, 9, "active"), None, Setting(11, 2, "active"), []),
        (PARKED, Setting(0, 0, "active"), None, Setting(1, 1, "disabled"), []),
        (replace(RECORD, braked=True), Setting(250, 25, "in-use"), None, Setting(1, 1, "disabled"), []),
        (replace(RECORD, allowance=0), Setting(250, 25, "in-use"), None, Setting(1, 1, "disabled"), []),
        (PARKED, Setting(1, 1, "disabled"), None, None, []),
        (RECORD, Setting(1, 1, "disabled"), LastSync(1, 1, "disabled"), Setting(250, 25, "active"), []),
        (RECORD, Setting(1, 1, "disabled"), LastSync(1, 1, "active"), Setting(250, 25, "disabled"), [QuotaFinding.DISABLED_BY_PERSON]),
        (RECORD, Setting(250, 25, "disabled"), None, None, [QuotaFinding.DISABLED_BY_PERSON]),
        (RECORD, Setting(250, 25, "inactive"), None, None, [QuotaFinding.NOT_IN_SERVICE]),
        (PARKED, Setting(250, 25, "pending-delete"), None, None, []),
    ],
    ids=[
        "nothing to do", "in-use is active", "raise", "unlimited is governed", "hourly is capped", "more than the hourly quota lets through",
        "at least 1 an hour", "hourly rounds up", "parked", "braked", "paused", "parked and off already",
        "the engine enables what it disabled", "a person disabled what the engine had enabled",
        "disabled before the engine came", "not confirmed in MailWizz", "deleted and parked",
    ],
)  # fmt: skip
def test_a_server_follows_its_ip(
    record: IpRecord,
    setting: Setting,
    last: LastSync | None,
    new: Setting | None,
    findings: list[QuotaFinding],
) -> None:
    assert outcome(planned(record, setting, last)) == (new, findings)


@pytest.mark.parametrize(
    ("server", "finding"),
    [
        ({"type": "smtp-amazon"}, QuotaFinding.WRONG_TYPE),
        ({"vmtas": ()}, QuotaFinding.NO_VMTA),
        ({"vmtas": None}, QuotaFinding.NO_VMTA),
        ({"vmtas": ("aurora-2",)}, QuotaFinding.WRONG_VMTA),
        ({"vmtas": ("aurora-1", "aurora-2")}, QuotaFinding.WRONG_VMTA),
    ],
    ids=["wrong type", "no header", "unreadable headers", "another virtual MTA", "two virtual MTAs"],
)
@pytest.mark.parametrize("record", [RECORD, PARKED], ids=["sends", "parked"])
def test_a_server_of_somebody_else_is_never_touched(
    record: IpRecord, server: dict[str, object], finding: QuotaFinding
) -> None:
    assert outcome(planned(record, Setting(9, 9, "active"), **server)) == (None, [finding])


def test_a_missing_server_is_a_finding() -> None:
    plan = plan_quotas([RECORD], [], {}, POLICY, DAY)
    assert outcome(plan) == (None, [QuotaFinding.MISSING])
    assert "server 101 (198.51.100.1): no such delivery server. Next: create it" in str(plan.refusals[0])


def test_a_warmup_plan_of_mailwizz_keeps_its_quotas_and_may_only_be_disabled() -> None:
    running = {"warmup": Warmup.RUNNING}
    assert outcome(planned(RECORD, Setting(9, 9, "active"), **running)) == (None, [QuotaFinding.WARMUP_PLAN])
    new, findings = outcome(planned(PARKED, Setting(9, 9, "active"), **running))
    assert (new, findings) == (Setting(9, 9, "disabled"), [QuotaFinding.WARMUP_PLAN])
    assert outcome(planned(RECORD, Setting(9, 9, "active"), warmup=Warmup.COMPLETE))[0] == Setting(
        250, 25, "active"
    )


def test_a_second_server_on_the_virtual_mta_stops_raises_but_no_reduction() -> None:
    twin = replace(SERVER, server_id=199)
    assert outcome(planned(RECORD, Setting(9, 9, "active"), others=(twin,))) == (
        None,
        [QuotaFinding.SHARED_VMTA],
    )
    assert outcome(planned(RECORD, Setting(900, 90, "active"), others=(twin,)))[0] == Setting(
        250, 25, "active"
    )
    assert outcome(planned(PARKED, Setting(9, 9, "active"), others=(twin,)))[0] == Setting(1, 1, "disabled")
    idle = replace(twin, setting=Setting(1, 1, "disabled"))
    assert outcome(planned(RECORD, Setting(9, 9, "active"), others=(idle,))) == (
        Setting(250, 25, "active"),
        [],
    )


@pytest.mark.parametrize(
    ("now", "last", "drift"),
    [
        (Setting(100, 10, "active"), LastSync(100, 10, None), False),
        (Setting(0, 0, "active"), LastSync(100, 10, None), True),
        (Setting(100, 20, "active"), LastSync(100, 10, None), True),
        (Setting(100, 10, "active"), LastSync(), False),
        (Setting(100, 10, "in-use"), LastSync(100, 10, "disabled"), True),
    ],
    ids=["as left", "quota changed", "hourly changed", "never synced", "enabled by somebody"],
)
def test_what_somebody_else_changed_is_called_drift(now: Setting, last: LastSync, drift: bool) -> None:
    (change,) = planned(RECORD, now, last).changes
    assert change.drift is drift


@pytest.mark.parametrize(
    ("old", "new", "reduces"),
    [
        (Setting(100, 10, "active"), Setting(50, 5, "active"), True),
        (Setting(0, 0, "active"), Setting(50, 5, "active"), True),
        (Setting(100, 10, "active"), Setting(50, 11, "active"), False),
        (Setting(100, 10, "active"), Setting(1, 1, "disabled"), True),
        (Setting(100, 10, "disabled"), Setting(1, 1, "active"), False),
        (Setting(100, 10, "disabled"), Setting(900, 90, "disabled"), True),
    ],
    ids=["less", "from unlimited", "more an hour", "off", "on", "more while off"],
)
def test_a_reduction_is_known_as_one(old: Setting, new: Setting, reduces: bool) -> None:
    (change,) = planned(RECORD, Setting(9, 9, "active")).changes
    assert replace(change, old=old, new=new).reduces is reduces


def test_a_change_reads_as_a_sentence() -> None:
    (change,) = planned(RECORD, Setting(0, 0, "active"), LastSync(100, 10, None)).changes
    assert str(change) == (
        "server 101 (198.51.100.1): unlimited a day, unlimited an hour, active -> 250 a day, 25 an hour, active, "
        "allowance 250 of the warming IP, somebody else had changed it"
    )


KEEPING = replace(POLICY, drift=Drift.KEEP_LOWER)


@pytest.mark.parametrize(
    ("now", "last", "new", "findings"),
    [
        (Setting(20, 5, "active"), LastSync(250, 25, None), None, [QuotaFinding.KEPT_LOWER]),
        (
            Setting(900, 5, "active"),
            LastSync(250, 25, None),
            Setting(250, 5, "active"),
            [QuotaFinding.KEPT_LOWER],
        ),
        (Setting(900, 90, "active"), LastSync(250, 25, None), Setting(250, 25, "active"), []),
        (Setting(0, 0, "active"), LastSync(250, 25, None), Setting(250, 25, "active"), []),
        (Setting(100, 10, "active"), LastSync(100, 10, None), Setting(250, 25, "active"), []),
        (Setting(100, 10, "active"), None, Setting(250, 25, "active"), []),
        (Setting(1, 1, "disabled"), LastSync(1, 1, "disabled"), Setting(250, 25, "active"), []),
    ],
    ids=["lower", "one of two", "higher", "unlimited", "its own", "never synced", "after a stop"],
)
def test_quotas_that_somebody_lowered_are_kept_where_the_policy_says_so(
    now: Setting, last: LastSync | None, new: Setting | None, findings: list[QuotaFinding]
) -> None:
    one = replace(SERVER, setting=now)
    plan = plan_quotas([RECORD], [one], {101: last} if last else {}, KEEPING, DAY)
    assert outcome(plan)[0] == new
    assert [found for found in outcome(plan)[1] if found is QuotaFinding.KEPT_LOWER] == findings
    if new is None:
        assert "somebody set 20 a day, 5 an hour" in plan.refusals[0].observed


def test_a_stop_goes_below_what_somebody_lowered() -> None:
    one = replace(SERVER, setting=Setting(20, 5, "active"))
    plan = plan_quotas([PARKED], [one], {101: LastSync(250, 25, None)}, KEEPING, DAY)
    assert outcome(plan)[0] == Setting(1, 1, "disabled")


def test_the_policy_names_what_becomes_of_drift() -> None:
    assert parse_quota_policy("quotas: {drift: keep_lower}").drift is Drift.KEEP_LOWER
    assert parse_quota_policy("quotas: {spread_hours: 10}").drift is Drift.MEND
    with pytest.raises(FileInvalid, match="mend"):
        parse_quota_policy("quotas: {drift: leave}")

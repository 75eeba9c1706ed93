"""From a form to good DNS, task by task: a fleet file, a real database, the lab's DNS."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, AirflowSkipException
from sqlalchemy import select, update

from email_engine.errors import AccessDenied
from email_engine.fleet.parse import parse_fleet
from email_engine.paths import CONFIG
from email_engine.pipelines.fleet_onboard import apply as applying
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.judgement.observations import observe
from email_engine.store.telling import alerts
from email_engine.warmup.policy_file import load_policy
from email_engine_airflow.operators.fleet_onboard import (
    ApplyOnboarding,
    AskOnboarding,
    HandOver,
    PlanOnboarding,
    WaitForDns,
)
from lab.testing import RunningLab
from tests.dns_lab import AS_OF, connect, dns_lab

FORM = {
    "tenant": "aurora", "stream": "newsletter", "range": "45.10.0.1-3", "hostname": "mail{n}.aurora-mail.example",
    "domain": "{prefix}{n}.aurora-mail.example", "prefixes": "news, info", "vmta": "aurora-{n}", "host": "mta-3", "ask": False,
    "mx": "bounces.aurora-mail.example",
}  # fmt: skip
KEY = "/etc/pmta/dkim/{domain}.pem"


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with dns_lab(tmp_path_factory.mktemp("lab"), tenants=("aurora", "borealis")) as running:
        yield running


@pytest.fixture
def lab(
    module_lab: RunningLab, engine_database_url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> RunningLab:
    connect(monkeypatch, module_lab, engine_database_url)
    return module_lab


@pytest.fixture
def fleet_file(tmp_path: Path, lab: RunningLab, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "fleet.yaml"
    text = (CONFIG / "fleet.yaml").read_text()
    path.write_text(
        text.replace(
            "  - name: mta-2\n", "  - name: mta-3\n    connection: powermta_mta-3\n  - name: mta-2\n"
        )
    )
    monkeypatch.setenv("EMAIL_ENGINE_FLEET", str(path))
    return path


@pytest.fixture(autouse=True)
def hosts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Hosts that are not there, whose key folders may be written to but for those of the list: they are other tests'."""
    refuses: list[str] = []

    def look(clients: Any, made: Any) -> None:
        for host in {ip.mta_host for ip in made.ips} & set(refuses):
            raise AccessDenied(
                f"MTA host {host}",
                "write /etc/pmta/dkim/x: permission denied",
                "its folder",
                "give it the right",
            )

    monkeypatch.setattr(applying, "_require_key_folders", look)
    return refuses


def context(run_id: str = "one", as_of: datetime = AS_OF, **params: Any) -> dict[str, Any]:
    run = SimpleNamespace(
        dag_id="fleet_onboard", run_id=run_id, run_after=as_of, logical_date=None, run_type="manual"
    )
    return {"dag_run": run, "params": {"dry_run": False} | FORM | params}


def whole(run_id: str = "one", **params: Any) -> dict[str, Any]:
    """All tasks up to the waiting."""
    run = context(run_id, **params)
    planned = PlanOnboarding(task_id="plan").execute(run)
    agreed = AskOnboarding(task_id="ask", planned=planned).execute(run)
    applied: dict[str, Any] = ApplyOnboarding(task_id="apply", agreed=agreed).execute(run)
    HandOver(task_id="hand_over").execute(run)
    return applied


def waited(applied: dict[str, Any], **params: Any) -> int | datetime:
    try:
        return int(WaitForDns(task_id="wait_for_dns", applied=applied).execute(context(**params)))
    except AirflowRescheduleException as later:
        return later.reschedule_date


def ips(store: Store) -> list[Any]:
    with store.session(tenant="*") as conn:
        mine = s.ips.c.address.in_([f"45.10.0.{n}" for n in (1, 2, 3)]) & ~s.ips.c.removed
        return list(conn.execute(select(s.ips).where(mine).order_by(s.ips.c.id)))


def told(store: Store) -> dict[str, str]:
    with store.session(tenant="*") as conn:
        return {alert.event: alert.text for alert in alerts.pending(conn)}


def publish(lab: RunningLab, folder: Path) -> None:
    """What an operator does: the files go to whoever keeps the zones, and each domain gets its key."""
    for file in sorted((folder / "zones").iterdir()):
        lab.knob("publish_zone", text=file.read_text())


def folder_of(fleet_file: Path) -> Path:
    return fleet_file.parent / "onboarding" / "aurora-newsletter-45.10.0.1"


def sign(store: Store, lab: RunningLab) -> str:
    """The key that the lab's hosts have, for the new domains too; gives its public record."""
    from lab.dns.records import dkim_txt

    key = Path(lab.world["state"]) / "keys" / "dkim.pem"
    with store.session(tenant="*") as conn:
        new = select(s.ips.c.id).where(s.ips.c.address.in_([f"45.10.0.{n}" for n in (1, 2, 3)]))
        conn.execute(update(s.domains).where(s.domains.c.ip_id.in_(new)).values(dkim_key_path=str(key)))
    public = next(iter({one["dkim_public_key_file"] for one in lab.world["dns"]["domains"]}))
    return dkim_txt(Path(public))


def test_a_dry_run_shows_and_changes_nothing(
    fleet_file: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    before = fleet_file.read_bytes()
    run = context(dry_run=True, ask=True)
    planned = PlanOnboarding(task_id="plan").execute(run)
    assert planned["ips"] == 3
    with pytest.raises(AirflowSkipException):
        AskOnboarding(task_id="ask", planned=planned).execute(run)
    assert fleet_file.read_bytes() == before
    assert (ips(store), list(fleet_file.parent.iterdir())) == ([], [fleet_file])


def test_a_key_folder_without_rights_is_found_before_anything_is_written(
    fleet_file: Path, store: Store, hosts: list[str]
) -> None:
    before = fleet_file.read_bytes()
    hosts.append("mta-3")
    with pytest.raises(AccessDenied):
        whole()
    assert (fleet_file.read_bytes(), ips(store)) == (before, [])
    assert "write /etc/pmta/dkim/x: permission denied" in told(store)["incident"]
    assert "fleet_onboard" not in told(store), "a try that is to come may still bring them"


def test_a_form_becomes_ips_that_stand_by_and_papers_for_people(fleet_file: Path, store: Store) -> None:
    before = fleet_file.read_text()
    applied = whole()
    assert applied == {
        "tenant": "aurora",
        "addresses": ["45.10.0.1", "45.10.0.2", "45.10.0.3"],
        "written": True,
        "changed": True,
    }
    assert [(ip.status, ip.vmta_name, ip.mta_host, ip.mailwizz_server_id) for ip in ips(store)] == [
        ("standby", f"aurora-{n}", "mta-3", None) for n in (51, 52, 53)
    ]
    folder = folder_of(fleet_file)
    assert (folder / "fleet.yaml.before").read_text() == before
    assert sorted(path.name for path in folder.iterdir()) == [
        "delivery-servers.csv", "fleet.yaml.before", "mailwizz-steps.txt", "octodns", "records.csv", "records.txt", "zones",
    ]  # fmt: skip
    servers = (folder / "delivery-servers.csv").read_text().splitlines()
    assert len(servers) == 4
    assert "x-virtual-mta: aurora-51" in servers[1]
    assert "45.10.0.1" in (folder / "records.txt").read_text()
    assert "3 IPs come to aurora/newsletter" in told(store)["fleet_onboard"]


def test_the_same_form_again_goes_on_where_the_first_stood(fleet_file: Path, store: Store) -> None:
    first = whole()
    text = fleet_file.read_text()
    again = whole("two")
    assert again == first | {"changed": False}
    assert (fleet_file.read_text(), len(ips(store))) == (text, 3)


@pytest.mark.parametrize("after", ["write_papers", "replace_text", "sync_fleet"])
def test_killed_after_any_step_the_next_try_ends_it(
    fleet_file: Path, store: Store, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    real = getattr(applying, after)

    def killed(*args: Any, **kwargs: Any) -> Any:
        real(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(applying, after, killed)
        with pytest.raises(KeyboardInterrupt):
            whole()
    parse_fleet(fleet_file.read_text(), "fleet.yaml")
    assert whole("two")["written"] is True
    assert [ip.vmta_name for ip in ips(store)] == ["aurora-51", "aurora-52", "aurora-53"]


def test_a_file_that_changed_since_the_plan_is_not_written(fleet_file: Path, store: Store) -> None:
    run = context()
    planned = PlanOnboarding(task_id="plan").execute(run)
    other = fleet_file.read_text().replace(
        "count: 50\n            hostname: mail{n}.aurora", "count: 51\n            hostname: mail{n}.aurora"
    )
    fleet_file.write_text(other)
    with pytest.raises(AirflowFailException, match="changed since the plan was shown"):
        ApplyOnboarding(task_id="apply", agreed=planned["digest"]).execute(run)
    assert (fleet_file.read_text(), ips(store)) == (other, [])


def test_a_file_that_may_not_be_written_is_said_and_left(
    fleet_file: Path, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from email_engine.pipelines.fleet_onboard import fleet_file as writing

    def refused(*args: Any, **kwargs: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    before = fleet_file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(writing.tempfile, "mkstemp", refused)
        assert whole()["written"] is False
    assert fleet_file.read_bytes() == before
    assert ips(store) == []
    assert "cannot be replaced: Permission denied" in caplog.text
    assert "- first: 45.10.0.1" in caplog.text
    assert "The fleet file is yours to change" in told(store)["fleet_onboard"]


def test_line_ends_rights_and_a_link_stay(fleet_file: Path, store: Store, tmp_path: Path) -> None:
    target = tmp_path / "kept" / "fleet.yaml"
    target.parent.mkdir()
    target.write_bytes(fleet_file.read_text().replace("\n", "\r\n").encode())
    target.chmod(0o640)
    fleet_file.unlink()
    fleet_file.symlink_to(target)
    whole()
    assert fleet_file.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert target.read_bytes().count(b"\n") == target.read_bytes().count(b"\r\n")


def test_where_the_file_is_kept_elsewhere_the_run_waits_for_it(
    fleet_file: Path, store: Store, lab: RunningLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = applying.shipped_onboard_policy()
    monkeypatch.setattr(
        applying,
        "shipped_onboard_policy",
        lambda: SimpleNamespace(writes=False, ips_per_host=policy.ips_per_host),
    )
    before = fleet_file.read_text()
    applied = whole()
    assert (applied["written"], fleet_file.read_text(), ips(store)) == (False, before, [])
    assert "The fleet file is yours to change" in told(store)["fleet_onboard"]
    shutil.copy(folder_of(fleet_file) / "fleet.yaml", fleet_file)
    assert whole("two") == applied | {"written": True, "changed": True}
    assert len(ips(store)) == 3


def test_it_waits_until_dns_is_right_and_only_then_the_clean_days_begin(
    fleet_file: Path, store: Store, lab: RunningLab
) -> None:
    applied = whole()
    now = datetime.now(UTC)
    later = waited(applied, as_of=now)
    assert isinstance(later, datetime)
    assert timedelta(0) < later - now < timedelta(minutes=5)
    record = sign(store, lab)
    publish(lab, folder_of(fleet_file))
    lines = ["bounces.aurora-mail.example. 300 IN A 198.51.100.1"]
    for ip in ips(store):
        name = _domain(store, ip.id)
        strings = " ".join(f'"{record[at : at + 255]}"' for at in range(0, len(record), 255))
        lines += [f"s1._domainkey.{name}. 300 IN TXT {strings}"]
    lab.knob("publish_zone", text="\n".join(lines))
    lab.knob("break_record", domain="198.51.100.1", which="spf")
    lab.knob("silence_dns", on=True)
    try:
        assert isinstance(waited(applied, as_of=now), datetime), "no answer is no good answer"
    finally:
        lab.knob("silence_dns", on=False)
    assert waited(applied, as_of=now) == 3, "and what is broken elsewhere keeps nobody"
    news = told(store)["fleet_onboard"]
    assert "DNS of 3 new IPs is right" in news
    with store.session("aurora") as conn:
        today = datetime.now(UTC).date()
        seen = observe(conn, "aurora", today, today + timedelta(days=1), load_policy())
    assert {one.dns_good_on for one in seen if str(one.ip.address).startswith("45.10.0.")} == {today}


def _domain(store: Store, ip_id: int) -> str:
    with store.session(tenant="*") as conn:
        return str(conn.execute(select(s.domains.c.name).where(s.domains.c.ip_id == ip_id)).scalar_one())


def test_who_waits_long_is_reminded_with_what_is_missing(fleet_file: Path, store: Store) -> None:
    applied = whole(range="45.10.9.1-3", hostname="out{n}.aurora-mail.example")
    with store.session(tenant="*") as conn:
        conn.execute(update(s.alerts).values(sent_at=datetime.now(UTC)))
    waited(applied, as_of=datetime.now(UTC) - timedelta(days=8))
    news = told(store)["fleet_onboard"]
    assert "an onboarding waits for DNS since" in news
    assert "3 IPs wait: " in news


@pytest.mark.parametrize(
    ("params", "seen"),
    [
        ({"tenant": "borealis", "hostname": "x{n}.aurora-mail.example", "domain": "y{n}.aurora-mail.example", "vmta": "b-{n}"}, "belongs to tenant aurora"),
        ({"range": "198.51.100.45-60"}, "are in the fleet already"),
        ({"range": "45.10.0.1-60"}, "room for 50"),
        ({"range": None}, "range: missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_to_whoever_sent_the_form(
    fleet_file: Path, store: Store, params: dict[str, Any], seen: str
) -> None:
    before = fleet_file.read_bytes()
    with pytest.raises(AirflowFailException, match=seen):
        whole(**params)
    assert (fleet_file.read_bytes(), told(store)) == (before, {})


def test_a_thousand_ips_are_one_form(fleet_file: Path, store: Store) -> None:
    hosts = "".join(f"  - name: new-{n}\n    connection: powermta_new-{n}\n" for n in range(20))
    fleet_file.write_text(fleet_file.read_text().replace("  - name: mta-2\n", f"{hosts}  - name: mta-2\n"))
    applied = whole(range="45.10.0.1-45.10.3.238", host=None)
    assert len(applied["addresses"]) == 1000
    with store.session(tenant="*") as conn:
        count = len(conn.execute(select(s.ips.c.id).where(~s.ips.c.removed)).all())
    assert count == 1100

"""Single steps of a DKIM rotation against the lab: what moves it, what holds it, what a person can ask."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from sqlalchemy import select, update

from email_engine.adapters.dns_authority import ask_owners
from email_engine.adapters.dns_resolver import Resolver
from email_engine.adapters.powermta_keys import new_key
from email_engine.cli import main
from email_engine.dns_answers import Found, Unknown
from email_engine.errors import InputError, NotVerified
from email_engine.pipelines.dkim_rotate.steps import chosen_tenants
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine_airflow.operators.dkim_rotate import RotateKeys
from email_engine_airflow.operators.names import ListNames
from lab.testing import RunningLab
from tests.core.dkim.fakes import DOMAINS
from tests.dkim_bench import Bench, dkim_bench, fast_resolver
from tests.signed_mail import publish
from tests.whole_lab import prepare, whole_lab
from tests.zone_server import ZoneAnswers, zone_server

FIRST = DOMAINS[0]
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def future_lab(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[RunningLab]:
    tomorrow = (datetime.now(UTC) + DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    with whole_lab(tmp_path_factory.mktemp("rotate"), postgres_url, start=tomorrow) as running:
        yield running


@pytest.fixture
def bench(
    future_lab: RunningLab,
    store: Store,
    engine_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Bench]:
    monkeypatch.setenv("EMAIL_ENGINE_CONFIG_HISTORY", str(tmp_path / "history"))
    whole = prepare(future_lab, store, engine_database_url, monkeypatch)
    whole.deploy()
    fast_resolver(monkeypatch, whole)
    with dkim_bench(whole) as made:
        yield made


def started(bench: Bench, domain: str = FIRST) -> str:
    """A rotation of one domain; its new selector."""
    bench.steps(action="start", domain=domain)
    (selector,) = bench.keys(domain).keys() - {"s1"}
    return selector


def signing(bench: Bench) -> str:
    """A rotation up to the deployment with the new key; its selector."""
    new = started(bench)
    bench.publish_what_is_asked()
    bench.steps()
    bench.advance(days=1)
    run = bench.run()
    bench.steps(run)
    assert bench.deploy_if_asked(run)
    return new


def test_each_step_waits_for_its_condition_and_says_what_to_publish(bench: Bench) -> None:
    new = started(bench)
    assert bench.stages() == {"s1": "signing", new: "made"}
    assert bench.stages(DOMAINS[1]) == {"s1": "signing"}
    assert bench.signs[FIRST] == "s1"
    ((severity, text),) = bench.alerts()
    assert severity == "warning"
    assert text.splitlines()[0] == "aurora: 1 DKIM record to publish"
    assert f"Publish: {new}._domainkey.{FIRST}. TXT" in text
    bench.steps()
    assert len(bench.alerts()) == 1
    bench.publish_what_is_asked()
    bench.steps()
    assert bench.stages()[new] == "seen"
    bench.advance(hours=19)
    bench.steps()
    assert bench.stages()[new] == "seen"
    bench.advance(hours=2)
    run = bench.run()
    bench.steps(run)
    assert bench.stages() == {"s1": "overlap", new: "signing"}
    assert bench.signs[FIRST] == "s1"
    bench.advance(days=30)
    bench.steps()
    assert bench.stages()["s1"] == "overlap", "nobody deployed: the host signs with it still"
    assert bench.deploy_if_asked(run)
    assert bench.signs[FIRST] == new
    bench.steps()
    bench.advance(days=14, hours=-1)
    bench.steps()
    assert bench.stages()["s1"] == "overlap"
    bench.advance(hours=1)
    bench.steps()
    assert bench.stages()["s1"] == "revoking"
    assert f's1._domainkey.{FIRST}. TXT "v=DKIM1; p="' in bench.alerts()[-1][1]
    bench.steps()
    assert bench.stages()["s1"] == "revoking"
    assert (bench.folder / f"{FIRST}.pem").exists()
    bench.publish_what_is_asked()
    bench.steps()
    assert bench.stages() == {"s1": "removed", new: "signing"}
    assert not (bench.folder / f"{FIRST}.pem").exists()
    assert (bench.folder / f"{FIRST}.{new}.pem").exists()
    asked = [
        row.action
        for row in bench.whole.rows(s.decisions)
        if row.pipeline == "dkim_rotate" and row.subject == FIRST
    ]
    assert asked == ["start", "stand", "show", "yield", "sign", "revoke", "withdraw", "remove"]


def test_a_record_that_vanishes_before_it_is_signed_with_begins_anew(bench: Bench) -> None:
    new = started(bench)
    bench.publish_what_is_asked()
    bench.steps()
    bench.advance(hours=12)
    publish(bench.whole.lab, new, FIRST, bench.keys()["s1"].public_key)
    bench.steps()
    assert bench.stages()[new] == "made"
    bench.publish_what_is_asked()
    bench.steps()
    bench.advance(hours=12)
    bench.steps()
    assert bench.stages()[new] == "seen"
    bench.whole.lab.knob("silence_dns", on=True)
    bench.advance(hours=12)
    bench.steps()
    assert bench.stages()[new] == "seen", "no answer moves nothing"
    bench.whole.lab.knob("silence_dns", on=False)
    bench.steps()
    assert bench.stages()[new] == "signing"


@pytest.mark.parametrize("what", ["gone", "another key"])
def test_nothing_is_signed_with_a_key_that_is_not_on_the_host(bench: Bench, what: str) -> None:
    new = started(bench)
    bench.publish_what_is_asked()
    bench.steps()
    file = bench.folder / f"{FIRST}.{new}.pem"
    if what == "gone":
        file.unlink()
    else:
        file.write_bytes(new_key())
    bench.advance(days=1)
    with pytest.raises(NotVerified, match=file.name):
        bench.steps(None, "sign")
    assert bench.stages() == {"s1": "signing", new: "seen"}


def test_a_host_that_nobody_can_read_keeps_the_old_record(bench: Bench) -> None:
    new = signing(bench)
    operators = bench.folder.parent / "config"
    before = operators.read_text()
    try:
        operators.write_text(f"{before}\ninclude /etc/pmta/not-there.conf\n")
        bench.steps()
        bench.advance(days=40)
        bench.steps()
        assert bench.stages() == {"s1": "overlap", new: "signing"}
        assert "not-there.conf is not there" in bench.alerts()[-1][1]
        operators.write_text(f"{before}\n<domain slow.example>\n  bounce-after 20d\n</domain>\n")
        bench.steps()
        bench.advance(days=20)
        bench.steps()
        assert bench.stages()["s1"] == "overlap", "mail may wait for 20 days"
        bench.advance(days=1)
        bench.steps()
        assert bench.stages()["s1"] == "revoking"
    finally:
        operators.write_text(before)


def test_where_a_host_signs_with_the_old_key_again_the_overlap_begins_anew(bench: Bench) -> None:
    new = signing(bench)
    bench.steps()
    assert bench.keys()["s1"].quiet_since == bench.whole.now
    file = bench.folder.parent / "email-engine.conf"
    with_new = file.read_text()
    file.write_text(
        with_new.replace(
            f"{new},{FIRST},/etc/pmta/dkim/{FIRST}.{new}.pem", f"s1,{FIRST},/etc/pmta/dkim/{FIRST}.pem"
        )
    )
    bench.advance(days=20)
    bench.steps()
    assert bench.keys()["s1"].quiet_since is None
    file.write_text(with_new)
    bench.steps()
    assert bench.keys()["s1"].quiet_since == bench.whole.now
    assert bench.stages()["s1"] == "overlap"


def test_a_person_goes_back_while_the_old_record_stands(bench: Bench) -> None:
    new = signing(bench)
    run = bench.run(action="back", domain=FIRST, reason="receivers complain")
    bench.steps(run)
    assert bench.stages() == {"s1": "signing", new: "overlap"}
    assert bench.deploy_if_asked(run)
    assert bench.signs[FIRST] == "s1"
    bench.steps(run, "ask")
    assert bench.stages() == {"s1": "signing", new: "overlap"}, "a cleared task does it once"
    with pytest.raises(InputError, match="no key from before"):
        bench.steps(None, "ask", action="back", domain=DOMAINS[1])


@pytest.mark.parametrize("missing", ["record", "file"])
def test_nobody_goes_back_to_a_key_with_which_mail_would_not_verify(bench: Bench, missing: str) -> None:
    new = signing(bench)
    if missing == "record":
        publish(bench.whole.lab, "s1", FIRST, "")
    else:
        (bench.folder / f"{FIRST}.pem").unlink()
    with pytest.raises(
        InputError, match="an empty p=" if missing == "record" else "is not that key on mta-1"
    ):
        bench.steps(None, "ask", action="back", domain=FIRST, reason="receivers complain")
    assert bench.stages() == {"s1": "overlap", new: "signing"}


def test_a_person_gives_a_key_up_that_nothing_was_signed_with(bench: Bench) -> None:
    new = started(bench)
    with pytest.raises(InputError, match=f"{new} is made already"):
        bench.steps(None, "ask", action="start", domain=FIRST)
    bench.steps(action="cancel", domain=FIRST)
    assert bench.stages() == {"s1": "signing", new: "removed"}
    assert [f.name for f in bench.folder.iterdir() if new in f.name] == []
    again = bench.steps(None, "ask", "make", action="start", domain=FIRST)
    assert again["ask"]["domains"] == [FIRST]
    assert set(bench.keys()) == {"s1", new, f"{new}b"}


def test_giving_up_removes_no_file_that_is_not_that_key(bench: Bench) -> None:
    new = started(bench)
    file = bench.folder / f"{FIRST}.{new}.pem"
    pem = new_key()
    file.write_bytes(pem)
    bench.steps(action="cancel", domain=FIRST)
    assert bench.stages() == {"s1": "signing", new: "removed"}
    assert file.read_bytes() == pem


def test_a_deployment_that_is_under_way_holds_and_is_no_trouble(bench: Bench) -> None:
    signing(bench)
    with bench.whole.db.session(tenant="*") as conn:
        newest = select(s.deployments.c.id).order_by(s.deployments.c.id.desc()).limit(1).scalar_subquery()
        conn.execute(update(s.deployments).where(s.deployments.c.id == newest).values(status="applying"))
    before = len(bench.alerts())
    done = bench.steps()
    assert done["retire"]["unknown"] == 1
    assert bench.keys()["s1"].quiet_since is None
    assert len(bench.alerts()) == before
    with bench.whole.db.session(tenant="*") as conn:
        conn.execute(
            update(s.deployments).where(s.deployments.c.status == "applying").values(status="verified")
        )
    bench.steps()
    assert bench.keys()["s1"].quiet_since is not None


def test_only_keys_that_are_due_begin_and_the_calendar_tells(bench: Bench) -> None:
    assert bench.steps(None, "ask", action="start due")["ask"]["domains"] == []
    with bench.whole.db.session(tenant="*") as conn:
        old = bench.whole.now - timedelta(days=181)
        conn.execute(update(s.dkim_keys).where(s.dkim_keys.c.domain == FIRST).values(made_at=old))
    assert bench.steps(None, "remind")["remind"]["due"] == [FIRST]
    assert bench.alerts() == [
        (
            "info",
            f"aurora: 1 DKIM key due for rotation\nDue: {FIRST}. Next: trigger dkim_rotate with action `start due`.",
        )
    ]
    done = bench.steps(None, "ask", "remind", action="start due")
    assert done["ask"]["domains"] == [FIRST]
    assert done["remind"]["due"] == []


@pytest.mark.parametrize("how", ["dry run", "observe"])
def test_nothing_moves_in_a_dry_run_or_for_a_tenant_that_observes(bench: Bench, how: str) -> None:
    if how == "observe":
        with bench.whole.db.session(tenant="*") as conn:
            conn.execute(update(s.tenants).values(mode="observe"))
        with pytest.raises(InputError, match="observe"):
            bench.steps(None, "ask", action="start", domain=FIRST)
    else:
        bench.steps(bench.run(dry_run=True, action="start", domain=FIRST))
    assert bench.stages() == {"s1": "signing"}
    assert sorted(f.name for f in bench.folder.iterdir()) == sorted(f"{d}.pem" for d in DOMAINS)


def test_the_fleet_files_own_new_selector_is_the_next_with_the_key_that_a_person_made(bench: Bench) -> None:
    pem = new_key()
    path = f"/etc/pmta/dkim/{FIRST}.{{selector}}.pem"
    (bench.folder / f"{FIRST}.s2.pem").write_bytes(pem)
    with bench.whole.db.session(tenant="*") as conn:
        mine = s.domains.c.name == FIRST
        conn.execute(update(s.domains).where(mine).values(dkim_selector="s2", dkim_key_path=path))
    bench.whole.deploy()
    assert bench.signs[FIRST] == "s1", "another selector in the file moves no signature"
    bench.steps(action="start", domain=FIRST)
    assert bench.stages() == {"s1": "signing", "s2": "made"}
    assert (bench.folder / f"{FIRST}.s2.pem").read_bytes() == pem


def test_no_rollback_brings_a_revoked_key_back(bench: Bench) -> None:
    from email_engine_airflow.operators.pmta_config_deploy import PlanDeploy

    with bench.whole.db.session(tenant="*") as conn:
        before = conn.execute(
            select(s.deployments.c.id).order_by(s.deployments.c.id.desc()).limit(1)
        ).scalar_one()
    signing(bench)
    plan = PlanDeploy(task_id="plan", mta_host="mta-1")
    ahead = bench.whole.context("pmta_config_deploy", rollback_to=before, reason="try", host="mta-1")
    assert plan.execute(ahead)["changed"]
    bench.steps()
    bench.advance(days=15)
    bench.steps()
    assert bench.stages()["s1"] == "revoking"
    with pytest.raises(AirflowFailException, match="revoked"):
        plan.execute(
            bench.whole.context("pmta_config_deploy", rollback_to=before, reason="try", host="mta-1")
        )


def test_a_task_of_an_old_run_sees_what_is_there_now(bench: Bench) -> None:
    new = started(bench)
    bench.publish_what_is_asked()
    old = bench.run()
    object.__setattr__(old, "as_of", datetime(2026, 1, 1, tzinfo=UTC))
    bench.steps(old, "look")
    seen_at = bench.keys()[new].seen_at
    assert seen_at is not None
    assert seen_at > datetime.now(UTC) - timedelta(minutes=5)


def test_the_operators_call_the_steps(bench: Bench) -> None:
    def context(**params: Any) -> dict[str, Any]:
        return bench.whole.context(
            "dkim_rotate", **{"action": "advance", "tenant": None, "domain": None} | params
        )

    tenants = ListNames(task_id="tenants", of="tenants with DKIM keys")
    assert tenants.execute(context()) == ["aurora"]
    assert tenants.execute(context(domain=FIRST)) == ["aurora"]
    with pytest.raises(AirflowFailException, match="no sending domain"):
        tenants.execute(context(domain="nobody.example"))
    done = RotateKeys(task_id="look", step="look", tenant="aurora").execute(context())
    assert done == {"tenant": "aurora", "looked": 0, "unknown": 0}
    assert chosen_tenants(bench.whole.db, bench.run(tenant="aurora")) == ["aurora"]


def test_the_command_does_what_the_dag_does(
    bench: Bench,
    engine_database_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def say(*words: str) -> tuple[int, Any]:
        code = main(["dkim", "rotate", *words, "--database-url", engine_database_url, "--json"])
        return code, json.loads(capsys.readouterr().out)

    code, dry = say("start", "--domain", FIRST, "--dry-run")
    assert (code, dry["tenants"]["aurora"]["ask"]["domains"], bench.stages()) == (
        0,
        [FIRST],
        {"s1": "signing"},
    )
    code, done = say("start", "--domain", FIRST)
    assert code == 0
    assert done["tenants"]["aurora"]["remind"]["publish"] == 1
    assert sorted(bench.stages().values()) == ["made", "signing"]
    code, again = say("start", "--domain", FIRST)
    assert code == 1
    assert "made already" in again["tenants"]["aurora"]["ask"]["error"]


def test_the_zones_own_servers_are_asked_beside_the_resolver() -> None:
    name = "s2._domainkey.news1.aurora-mail.example"
    truth = {name: {"TXT": ["v=DKIM1; p=new"]}, "aurora-mail.example": {"NS": ["ns1.aurora-mail.example."]}}
    lie = {
        name: {"TXT": ["v=DKIM1; p=lie"]},
        "aurora-mail.example": {"NS": ["ns1.aurora-mail.example.", "ns2.aurora-mail.example."]},
        "ns1.aurora-mail.example": {"A": "127.0.0.1"},
        "ns2.aurora-mail.example": {"A": "127.0.0.3"},
    }
    with zone_server() as owner, zone_server() as resolver:
        owner.use(ZoneAnswers(truth))
        resolver.use(ZoneAnswers(lie))
        asked = Resolver([("127.0.0.1", resolver.port)], timeout=0.5, tries=1)
        found = ask_owners(asked, [name, "s2._domainkey.nobody.example"], port=owner.port)
        assert Found(("v=DKIM1; p=new",), 60) in found[name]
        assert any(isinstance(answer, Unknown) for answer in found[name])
        assert found["s2._domainkey.nobody.example"] == ()

"""Table dkim_keys: which key signs, what another selector in the fleet file means, and the command that shows it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from email_engine.cli import main
from email_engine.decision import Origin
from email_engine.dkim.stages import KeyEvent, KeyStage
from email_engine.errors import Refused
from email_engine.fleet.inventory import export_plan, plan_inventory, render_plan
from email_engine.fleet.parse import parse_fleet
from email_engine.store import dkim_keys
from email_engine.store.engine import Store
from email_engine.store.fleet.inventory import apply_inventory, load_fleet, load_removed
from email_engine.store.fleet.ips import load_ips
from tests.dkim_keys import spki

EXAMPLE = (Path(__file__).resolve().parents[2] / "include/config/fleet.yaml").read_text()
NOW = datetime(2026, 11, 1, tzinfo=UTC)
ORIGIN = Origin("ops", NOW, "dkim_rotate", "run")
FLEET = parse_fleet(EXAMPLE, "fleet.yaml")
DOMAIN = FLEET.ips[0].domain
OTHER = FLEET.ips[1].domain


@pytest.fixture
def known(store: Store) -> Store:
    """The example fleet; the key of its first domain is known, and signs."""
    with store.session(tenant="*") as conn:
        plan = plan_inventory(FLEET, load_fleet(conn), load_removed(conn))
        apply_inventory(conn, plan, as_of=NOW, dag_id=None, run_id=None)
        dkim_keys.add(
            conn, "aurora", DOMAIN, "s1", f"/etc/pmta/dkim/{DOMAIN}.pem", ORIGIN,
            public_key=spki(), bits=2048, hosts=["mta-1"], made_at=NOW,
        )  # fmt: skip
    return store


def test_a_domain_has_one_key_that_signs_and_a_selector_is_used_once(known: Store) -> None:
    with pytest.raises(Refused, match="known already"), known.session(tenant="*") as conn:
        dkim_keys.add(conn, "aurora", DOMAIN, "s1", "/k.pem", ORIGIN)
    with pytest.raises((Refused, IntegrityError)), known.session(tenant="*") as conn:
        dkim_keys.add(conn, "aurora", DOMAIN, "s2", "/k.pem", ORIGIN, public_key=spki(), made_at=NOW)


def test_two_runs_move_a_key_once(known: Store) -> None:
    with known.session(tenant="*") as conn:
        key = dkim_keys.signing(conn)[DOMAIN]
        assert dkim_keys.move(conn, key, KeyEvent.YIELD, "test", ORIGIN).stage is KeyStage.OVERLAP
        with pytest.raises(Refused, match="no longer in stage signing"):
            dkim_keys.move(conn, key, KeyEvent.YIELD, "test", ORIGIN)


def test_a_tenant_sees_its_own_keys_alone(known: Store) -> None:
    with known.session(tenant="borealis") as conn:
        assert dkim_keys.load(conn) == ()
    with known.session(tenant="aurora") as conn:
        assert [key.domain for key in dkim_keys.load(conn)] == [DOMAIN]


def test_another_selector_in_the_file_moves_no_signature_and_the_plan_says_what_it_means(
    known: Store,
) -> None:
    wanted = parse_fleet(EXAMPLE.replace("selector: s1", "selector: s2"), "fleet.yaml")
    with known.session(tenant="*") as conn:
        plan = plan_inventory(wanted, load_fleet(conn), load_removed(conn), dkim_keys.selectors(conn))
        assert len(plan.notes) == 100
        assert plan.notes[0].startswith(f"{DOMAIN} goes on signing with s1")
        assert "start `dkim_rotate` for this domain" in plan.notes[0]
        assert plan.notes[1].startswith(
            f"{OTHER} signs with s2 from the next deployment on, published or not"
        )
        assert f"  note: {plan.notes[0]}" in render_plan(plan)
        assert export_plan(plan)["notes"] == list(plan.notes)
        apply_inventory(conn, plan, as_of=NOW, dag_id=None, run_id=None)
        selectors = {ip.domain: ip.dkim_selector for ip in load_ips(conn, day=NOW.date())}
        assert (selectors[DOMAIN], selectors[OTHER]) == ("s1", "s2")
        assert plan_inventory(wanted, load_fleet(conn), load_removed(conn), dkim_keys.selectors(conn)).empty


def test_a_rotated_key_gives_no_plan(known: Store) -> None:
    with known.session(tenant="*") as conn:
        dkim_keys.move(conn, dkim_keys.signing(conn)[DOMAIN], KeyEvent.YIELD, "test", ORIGIN)
        dkim_keys.add(
            conn, "aurora", DOMAIN, "s202611", "/later.pem", ORIGIN, public_key=spki(2048, 1), made_at=NOW
        )
        assert plan_inventory(FLEET, load_fleet(conn), load_removed(conn), dkim_keys.selectors(conn)).empty


def test_the_command_gives_stages_and_public_halves(
    known: Store, engine_database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> str:
        assert main(["dkim", *words, "--database-url", engine_database_url]) == 0
        return capsys.readouterr().out

    assert json.loads(said("keys", "--json")) == {DOMAIN: {"s1": spki()}}
    assert f"s1._domainkey.{DOMAIN}  v=DKIM1; k=rsa; p={spki()}" in said("keys")
    assert f"{DOMAIN}  s1  signing since 2026-11-01, 2048 bits" in said("status")
    assert json.loads(said("status", "--json"))["keys"][0]["hosts"] == ["mta-1"]
    assert said("status", "--domain", OTHER) == "no key is known yet\n"
    with known.session(tenant="*") as conn:
        key = dkim_keys.move(conn, dkim_keys.signing(conn)[DOMAIN], KeyEvent.YIELD, "test", ORIGIN)
        dkim_keys.move(conn, key, KeyEvent.REVOKE, "test", ORIGIN)
    assert json.loads(said("keys", "--json")) == {DOMAIN: {"s1": ""}}

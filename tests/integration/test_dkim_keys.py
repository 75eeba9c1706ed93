"""First keys on a host over SFTP, and the lab's mail that is signed with them."""

import base64
import logging
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from sqlalchemy import select, update

from email_engine.adapters.powermta_keys import KeysBySftp, KeyStands, new_key
from email_engine.decision import Origin
from email_engine.dkim.stages import KeyEvent
from email_engine.errors import EngineError, NotVerified, Refused
from email_engine.fleet.model import SendingIp
from email_engine.pipelines.dkim_rotate.make import Made, make_keys
from email_engine.pipelines.run import Run
from email_engine.store import dkim_keys
from email_engine.store import schema as s
from email_engine.store.fleet.inventory import load_fleet
from email_engine.store.fleet.ips import load_ips
from email_engine_airflow.clients import airflow_clients
from tests.core.dkim.fakes import DOMAINS
from tests.signed_mail import delivered, publish, selector_of, verifies, zone_of
from tests.whole_lab import Whole

FOLDER = "etc/pmta/dkim"


@pytest.fixture
def bench(just_deployed: Whole) -> Iterator[Whole]:
    """Three domains of aurora, as the lab's zones have them; no key file on the host."""
    whole = just_deployed
    with whole.db.session(tenant="*") as conn:
        for row in conn.execute(select(s.domains).order_by(s.domains.c.ip_id)).all():
            name = DOMAINS[row.ip_id - 1]
            path = f"/etc/pmta/dkim/{name}.pem"
            conn.execute(
                update(s.domains).where(s.domains.c.id == row.id).values(name=name, dkim_key_path=path)
            )
    for file in folder(whole).iterdir():
        file.unlink()
    yield whole
    whole.lab.knob("keep_delivered", n=0)
    whole.lab.knob("signs_at_receipt", on=False)
    for host in ("permission_denied", "disk_full"):
        whole.lab.knob(host, on=False)


def folder(whole: Whole) -> Path:
    return Path(whole.lab.world["state"]) / "mta-1" / FOLDER


def run_of(whole: Whole, dry_run: bool = False) -> Run:
    return Run("dkim_rotate", f"run-{next(whole.runs)}", whole.now, dry_run, "ops", {})


def make(whole: Whole, **how: Any) -> Made:
    return make_keys(whole.db, airflow_clients(), "aurora", run_of(whole, **how))


def rows(whole: Whole) -> dict[str, Any]:
    with whole.db.session(tenant="*") as conn:
        return {key.domain: key for key in dkim_keys.load(conn)}


def public_half(pem: bytes) -> str:
    key = load_pem_private_key(pem, None).public_key()
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def test_first_keys_are_made_once_and_known_by_their_public_half(
    bench: Whole, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    done = make(bench)
    assert (done.made, done.known, done.failed) == (3, 0, {})
    files = sorted(folder(bench).iterdir())
    assert [file.name for file in files] == sorted(f"{name}.pem" for name in DOMAINS)
    for file in files:
        key = rows(bench)[file.name.removesuffix(".pem")]
        assert key.public_key == public_half(file.read_bytes())
        assert (key.stage, key.bits, key.hosts, key.selector) == ("signing", 2048, ("mta-1",), "s1")
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
        assert file.stat().st_gid == file.parent.stat().st_gid
    before = [file.read_bytes() for file in files]
    again = make(bench)
    assert (again.made, again.known, again.failed) == (0, 0, {})
    assert [file.read_bytes() for file in files] == before
    secret = [line for pem in before for line in pem.decode().splitlines()[1:-1]]
    assert not any(line in caplog.text for line in secret)
    with bench.db.session(tenant="*") as conn:
        stored = str([dict(row) for row in conn.execute(select(s.dkim_keys)).mappings()])
    assert "PRIVATE" not in stored
    assert not any(line in stored for line in secret)


def test_a_key_that_stands_is_known_and_left_as_it_is(bench: Whole) -> None:
    pem = new_key()
    (folder(bench) / f"{DOMAINS[0]}.pem").write_bytes(pem)
    done = make(bench)
    assert (done.made, done.known) == (2, 1)
    assert (folder(bench) / f"{DOMAINS[0]}.pem").read_bytes() == pem
    assert rows(bench)[DOMAINS[0]].public_key == public_half(pem)


def test_what_is_no_key_is_told_and_keeps_no_other_domain_from_its_own(bench: Whole) -> None:
    (folder(bench) / f"{DOMAINS[1]}.pem").write_text("not a key\n")
    done = make(bench)
    assert done.made == 2
    assert list(done.failed) == [DOMAINS[1]]
    assert isinstance(done.failed[DOMAINS[1]], NotVerified)
    assert (folder(bench) / f"{DOMAINS[1]}.pem").read_text() == "not a key\n"


@pytest.mark.parametrize("why", ["dry run", "observe"])
def test_nothing_is_made_in_a_dry_run_or_for_a_tenant_that_observes(bench: Whole, why: str) -> None:
    if why == "observe":
        with bench.db.session(tenant="*") as conn:
            conn.execute(update(s.tenants).values(mode="observe"))
    done = make(bench, dry_run=why == "dry run")
    assert (done.made, done.missing) == (0, 3)
    assert list(folder(bench).iterdir()) == []
    assert rows(bench) == {}


@pytest.mark.parametrize("fault", ["permission_denied", "disk_full"])
def test_whether_a_key_may_be_put_there_is_known_before_and_nothing_is_left(bench: Whole, fault: str) -> None:
    with bench.ssh() as mta:
        KeysBySftp(mta).may_write("/etc/pmta/dkim")
        bench.lab.knob(fault, on=True)
        with pytest.raises(EngineError, match=r"\.email-engine"):
            KeysBySftp(mta).may_write("/etc/pmta/dkim")
    assert list(folder(bench).iterdir()) == []


@pytest.mark.parametrize("fault", ["permission_denied", "disk_full"])
def test_a_host_that_takes_no_file_is_told_and_no_half_file_stands_under_the_name(
    bench: Whole, fault: str
) -> None:
    bench.lab.knob(fault, on=True)
    done = make(bench)
    assert (done.made, len(done.failed)) == (0, 3)
    assert all(isinstance(error, Refused) for error in done.failed.values())
    assert [f.name for f in folder(bench).iterdir() if f.suffix == ".pem"] == []
    bench.lab.knob(fault, on=False)
    assert make(bench).made == 3
    assert len(list(folder(bench).iterdir())) == 3


def test_a_key_file_is_never_overwritten_also_by_a_race(
    bench: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/{FOLDER}/{DOMAINS[0]}.pem"
    pem = new_key()
    with bench.ssh() as mta:
        keys = KeysBySftp(mta)
        public = keys.install(path, pem)
        with pytest.raises(KeyStands):
            keys.install(path, new_key())
        monkeypatch.setattr(mta, "exists", lambda path: False)
        with pytest.raises(KeyStands):
            keys.install(path, new_key())
        assert keys.public_key(path) == public
        assert [f.name for f in folder(bench).iterdir()] == [f"{DOMAINS[0]}.pem"]
        monkeypatch.undo()
        keys.remove(path)
        keys.remove(path)
        assert keys.public_key(path) is None


@pytest.mark.parametrize("at_receipt", [False, True])
def test_the_labs_mail_is_signed_with_the_key_that_its_host_has_and_verifies(
    bench: Whole, at_receipt: bool
) -> None:
    make(bench)
    bench.deploy()
    for domain, key in rows(bench).items():
        publish(bench.lab, "s1", domain, key.public_key)
    bench.lab.knob("signs_at_receipt", on=at_receipt)
    bench.lab.knob("keep_delivered", n=100)
    for n, domain in enumerate(DOMAINS, 1):
        bench.lab.knob(
            "put_mail_in_queue", vmta=f"aurora-{n}", domain="gmail.com", n=5, mail_from=f"bounce@{domain}"
        )
    bench.lab.knob(
        "put_mail_in_queue", vmta="aurora-1", domain="gmail.com", n=1, mail_from="x@elsewhere.example"
    )
    bench.later(3)
    mail = delivered(bench.lab)
    strange = [m for m in mail if "elsewhere" in m["text"]]
    ours = [m for m in mail if "elsewhere" not in m["text"]]
    assert len(ours) >= 10
    zone = zone_of(bench.lab)
    assert all(selector_of(m["text"]) == "s1" and verifies(m["text"], zone) for m in ours)
    assert not any(selector_of(m["text"]) for m in strange)
    assert not verifies(ours[0]["text"].replace("mail of the lab", "mail of a thief"), zone)
    publish(bench.lab, "s1", DOMAINS[0], public_half(new_key()))
    changed = zone_of(bench.lab)
    assert not any(verifies(m["text"], changed) for m in ours if m["vmta"] == "aurora-1")


def test_the_key_that_signs_is_state_and_no_fleet_file_undoes_it(bench: Whole) -> None:
    make(bench)
    origin = Origin("ops", bench.now)
    with bench.db.session(tenant="*") as conn:
        first = dkim_keys.signing(conn)[DOMAINS[0]]
        dkim_keys.move(conn, first, KeyEvent.YIELD, "test", origin)
        later = dkim_keys.add(
            conn, "aurora", DOMAINS[0], "s202611", "/etc/pmta/dkim/later.pem", Origin("ops", bench.now + timedelta(1)),
            public_key=first.public_key, bits=2048, hosts=["mta-1"],
        )  # fmt: skip
        assert later.stage == "signing"
        ip = load_ips(conn, day=bench.now.date())[0]
        assert (ip.dkim_selector, ip.dkim_key_path) == ("s202611", "/etc/pmta/dkim/later.pem")
        wanted: SendingIp = load_fleet(conn).ips[0]
        assert (wanted.dkim_selector, wanted.first_key_file) == ("s1", f"/etc/pmta/dkim/{DOMAINS[0]}.pem")
    bench.deploy()
    text = (Path(bench.lab.world["state"]) / "mta-1/etc/pmta/email-engine.conf").read_text()
    assert f"domain-key s202611,{DOMAINS[0]},/etc/pmta/dkim/later.pem" in text

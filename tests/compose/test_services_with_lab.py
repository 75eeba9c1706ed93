"""The profile `lab` without a container: its one-shot and its service run their own commands, and the product accepts what they
play. The lab listens on a loopback address of its own in place of the container's."""

import json
import socket

import dns.message
import dns.query
import dns.rcode
import httpx
import paramiko
import psutil
import pytest

from stack.chosen_ports import PORTS
from tests.compose.compose_file import ROOT
from tests.compose.without_containers import AIRFLOW, Host

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
EXAMPLE = ROOT / "include" / "config" / "fleet.yaml"
LAB_CONNECTIONS = {
    "dns_resolver_default", "telegram_alerts_default", "powermta_mta-1", "powermta_mta-2", "mailwizz_api_mw-aurora",
    "mailwizz_db_mw-aurora", "mailwizz_api_mw-borealis", "mailwizz_db_mw-borealis",
}  # fmt: skip


@pytest.fixture(scope="module")
def lab(host: Host) -> str:
    """The address of a lab that came up as the profile brings it up, from a folder without a fleet file. Airflow's parts have done
    their tests and are ended: they would take the time of two cores."""
    host.end(AIRFLOW)
    (host.places["/etc/email-engine"] / "fleet.yaml").unlink(missing_ok=True)
    host.run("lab-init")
    host.start("lab")
    host.wait_until_healthy("lab", 60)
    return host.lab


def test_the_example_lies_where_the_engine_reads_it_and_is_its_inventory(host: Host, lab: str) -> None:
    folder = host.places["/etc/email-engine"]
    assert (folder / "fleet.yaml").read_text() == EXAMPLE.read_text()
    assert "mta-1" in (folder / "fleet.names.json").read_text()
    assert host.ask("engine_database_url", "SELECT count(*) FROM email_engine.ips") == [(100,)]


def test_it_listens_on_its_address_alone(host: Host, lab: str) -> None:
    sockets = [
        each.laddr
        for each in psutil.Process(host.running["lab"].pid).net_connections(kind="inet")
        if each.status == psutil.CONN_LISTEN or (each.type is socket.SOCK_DGRAM and not each.raddr)
    ]
    assert {each.ip for each in sockets} == {lab}
    assert {each.port for each in sockets} == set(PORTS.values()) - {PORTS["airflow"]}


def test_a_client_on_that_address_reaches_every_part(host: Host, lab: str) -> None:
    query = dns.message.make_query("2.0.0.127.zen.spamhaus.org", "A")
    for ask in (dns.query.udp, dns.query.tcp):
        codes = {
            r.to_text() for rrset in ask(query, lab, port=PORTS["lab dns"], timeout=5).answer for r in rrset
        }
        assert codes == {"127.0.0.2", "127.0.0.4", "127.0.0.10"}
    assert httpx.get(f"http://{lab}:{PORTS['lab telegram']}/bot1:x/getMe").json()["error_code"] == 401
    key = json.loads((host.places["/var/lib/email-engine-lab"] / "secrets.json").read_text())["mw-aurora_key"]
    api = f"http://{lab}:{PORTS['lab mw-aurora']}/api/campaigns"
    assert httpx.get(api, headers={"X-Api-Key": key}).json()["status"] == "success"
    assert httpx.get(api, headers={"X-Api-Key": "x"}).json()["status"] == "error"
    state = host.places["/var/lib/email-engine-lab"] / "lab"
    client = paramiko.SSHClient()
    client.get_host_keys().add(
        f"[{lab}]:{PORTS['lab mta-1 ssh']}",
        "ssh-ed25519",
        paramiko.Ed25519Key(filename=str(state / "keys" / "mta-1")),
    )
    with client:
        client.connect(
            lab, PORTS["lab mta-1 ssh"], "pmta", key_filename=str(state / "client_key"), allow_agent=False,
            look_for_keys=False,
        )  # fmt: skip
        assert b"5.0r5" in client.exec_command("pmta show version")[1].read()


def test_its_control_answers_to_the_name_that_it_was_told_and_to_no_other(lab: str) -> None:
    control = f"http://{lab}:{PORTS['lab control']}"
    assert httpx.get(f"{control}/clock").json()["mode"] == "real"
    for foreign in ({"Host": f"evil.example:{PORTS['lab control']}"}, {"Origin": "http://evil.example"}):
        answer = httpx.post(f"{control}/knobs/list_ip", json={"ip": "198.51.100.1"}, headers=foreign)
        assert answer.status_code == 403
    assert httpx.get(f"{control}/state").json()["dns"]["lists"]["zen.spamhaus.org"]["listed"] == {}


def test_the_products_own_tests_accept_every_connection(host: Host, lab: str) -> None:
    stored = {name for (name,) in host.ask("airflow_database_url", "SELECT conn_id FROM connection")}
    assert stored == LAB_CONNECTIONS | {"email_engine_db"}
    told = json.loads(host.run("cli", "doctor", "--json").splitlines()[-1])
    assert told["counts"]["wrong"] == 0
    subjects = " ".join(check["subject"] for check in told["checks"] if check["state"] == "ok")
    for part in (*LAB_CONNECTIONS, "mta-1", "mw-borealis"):
        assert part in subjects, f"{part} is not among: {subjects}"


def test_a_connection_to_a_real_host_is_never_turned_to_the_lab(host: Host, lab: str) -> None:
    one = "WHERE conn_id = 'powermta_mta-1' RETURNING host"
    assert host.ask("airflow_database_url", f"UPDATE connection SET host = 'mta-1.example.net' {one}")
    world = host.places["/var/lib/email-engine-lab"] / "lab" / "world.json"
    before = world.stat().st_mtime_ns
    with pytest.raises(AssertionError, match="powermta_mta-1 lead elsewhere"):
        host.run("lab-init", "python", "-m", "stack.compose", "lab")
    rows = host.ask("airflow_database_url", "SELECT host FROM connection WHERE conn_id = 'powermta_mta-1'")
    assert rows == [("mta-1.example.net",)]
    assert world.stat().st_mtime_ns == before

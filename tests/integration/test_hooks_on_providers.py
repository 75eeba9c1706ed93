"""Hooks stand on the providers' for connection and form; their sessions are the engine's own."""

import json
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.providers.ssh.hooks.ssh import SSHHook
from airflow.providers.telegram.hooks.telegram import TelegramHook

from email_engine_airflow.hooks.engine_db import EngineDbHook
from email_engine_airflow.hooks.powermta import PowerMtaHook
from email_engine_airflow.hooks.telegram_alerts import TelegramAlertsHook
from tests.integration.ssh_host import SshHost

OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBjyTWuZK/XUSHgvnqHt4ogcSg5IcSmxOkZAZ8Gse+Ek other"


def test_they_are_the_providers_hooks() -> None:
    assert issubclass(PowerMtaHook, SSHHook)
    assert issubclass(EngineDbHook, PostgresHook)
    assert issubclass(TelegramAlertsHook, TelegramHook)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshHost]:
    """Its key stands in known_hosts of a user whose ~/.ssh/config would trust and log in anywhere."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with SshHost(tmp_path) as found:
        ssh = tmp_path / ".ssh"
        ssh.mkdir(mode=0o700)
        (ssh / "known_hosts").write_text(f"[127.0.0.1]:{found.port} {found.host_key_text}\n")
        (ssh / "config").write_text("Host *\n  StrictHostKeyChecking no\n  User pmta\n")
        (ssh / "id_ed25519").write_text(found.private_key_text)
        (ssh / "id_ed25519").chmod(0o600)
        yield found


def connect(
    host: SshHost, monkeypatch: pytest.MonkeyPatch, host_key: str, private_key: str
) -> tuple[bool, str]:
    extra = {"host_key": host_key, "private_key": private_key}
    fields = {
        "conn_type": "powermta",
        "host": "127.0.0.1",
        "port": host.port,
        "login": "pmta",
        "extra": extra,
    }
    monkeypatch.setenv("AIRFLOW_CONN_PMTA_X", json.dumps(fields))
    return PowerMtaHook("pmta_x").test_connection()


def test_the_pinned_key_beats_known_hosts_and_nobody_logs_in(
    host: SshHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, said = connect(host, monkeypatch, OTHER, host.private_key_text)
    assert not good
    assert "another host key" in said or "SHA256" in said
    assert host.logins == []
    good, said = connect(host, monkeypatch, host.host_key_text, host.private_key_text)
    assert host.logins == ["pmta"], said


def test_no_key_of_the_user_is_offered_beside_the_connections(
    host: SshHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = paramiko.ECDSAKey.generate()
    text = Path(host.root / "wrong")
    wrong.write_private_key_file(str(text))
    good, said = connect(host, monkeypatch, host.host_key_text, text.read_text())
    assert not good
    assert "login" in said.lower()


def test_tls_of_the_engines_database_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    tls = {"sslmode": "verify-full", "sslrootcert": "/etc/ssl/ours.pem"}
    fields = {"conn_type": "postgres", "host": "db.example", "login": "e", "password": "p", "extra": tls}
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", json.dumps(fields))
    assert dict(EngineDbHook().url().query) == tls


def test_hooks_are_made_without_reading_the_users_ssh_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host *\n  garbage that no parser takes \0\n")
    assert PowerMtaHook("never-made").powermta_conn_id == "never-made"

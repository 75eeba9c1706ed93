"""Connection type `powermta`: one PowerMTA host over SSH."""

from pathlib import Path
from typing import Any

from airflow.sdk import BaseHook

from email_engine.adapters.powermta import PowerMta, PowerMtaEndpoint
from email_engine.addresses import parse_address
from email_engine.errors import EngineError, InputError
from email_engine_airflow.hooks.naming import called, reading

SSH_PORT = 22


class PowerMtaHook(BaseHook):
    """Connects and transports, nothing else.

    Connection: `host` (its own `:port` wins), `port` (22), `login`; extra `host_key` (the host's public key, pinned), `private_key`
    (its text) or `private_key_file`, `pmta_command` (`pmta`), `connect_timeout` (10), `command_timeout` (60)."""

    conn_name_attr = "powermta_conn_id"
    default_conn_name = "powermta_default"
    conn_type = "powermta"
    hook_name = "PowerMTA (SSH)"

    def __init__(self, powermta_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.powermta_conn_id = powermta_conn_id
        self._testing = False

    def endpoint(self) -> PowerMtaEndpoint:
        """The connection's fields, checked; every missing one is named at once."""
        with reading(self.powermta_conn_id):
            return self._endpoint()

    def _endpoint(self) -> PowerMtaEndpoint:
        conn = self.get_connection(self.powermta_conn_id)
        self._subject = called(conn, self._testing)
        address = parse_address(self._subject, conn.host, conn.port, {"ssh": SSH_PORT})
        extra: dict[str, Any] = conn.extra_dejson
        key = extra.get("private_key") or self._key_file(extra.get("private_key_file"))
        missing = [
            name
            for name, value in (
                ("host", address.host),
                ("login", conn.login),
                ("host_key", extra.get("host_key")),
                ("private_key or private_key_file", key),
            )
            if not value
        ]
        if missing:
            raise InputError(
                self._subject,
                f"empty: {', '.join(missing)}",
                "host, login, the pinned host key and a login key",
                "fill them in under Admin > Connections",
            )
        return PowerMtaEndpoint(
            host=address.host,
            port=address.port or SSH_PORT,
            username=str(conn.login),
            host_key=str(extra["host_key"]),
            private_key=str(key),
            pmta_command=str(extra.get("pmta_command") or "pmta"),
            connect_timeout=self._seconds(extra, "connect_timeout", 10.0),
            command_timeout=self._seconds(extra, "command_timeout", 60.0),
        )

    def get_conn(self) -> PowerMta:
        """Not yet connected; use it in a `with`."""
        return PowerMta(self.endpoint())

    def test_connection(self) -> tuple[bool, str]:
        """Connects, compares the host key, logs in and asks for the version."""
        self._testing = True
        try:
            with self.get_conn() as mta:
                version = mta.version()
                user, host = mta.endpoint.username, mta.endpoint.host
        except EngineError as error:
            return False, str(error)
        return True, f"PowerMTA {version} answers on {host}; host key as pinned, {user} may run pmta"

    def _seconds(self, extra: dict[str, Any], name: str, default: float) -> float:
        try:
            value = float(extra.get(name) or default)
        except (TypeError, ValueError):
            value = -1.0
        if not 0 < value <= 3600:
            raise InputError(
                self._subject,
                f"{name} {extra.get(name)!r}",
                "seconds between 0 and 3600",
                "correct it under Admin > Connections",
            )
        return value

    def _key_file(self, path: str | None) -> str | None:
        if not path:
            return None
        try:
            return Path(path).expanduser().read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                self._subject,
                f"private_key_file {path} cannot be read ({type(error).__name__})",
                "an OpenSSH private key that this worker's user may read",
                "correct the path or its mode, or put the key's text into `private_key`",
            ) from None

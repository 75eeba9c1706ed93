"""Connection type `powermta`: one PowerMTA host over SSH."""

from airflow.providers.ssh.hooks.ssh import SSHHook
from airflow.sdk import BaseHook

from email_engine.adapters import connections
from email_engine.adapters.powermta import PowerMta, PowerMtaEndpoint
from email_engine.errors import EngineError
from email_engine_airflow.hooks.fields import fields_of


class PowerMtaHook(SSHHook):
    """Connects and transports, nothing else; its fields: `connections.powermta`.

    The provider's hook gives connection and form. The session is the engine's own: the provider's would let known_hosts beat the
    pinned host key, offer keys of an agent and read ~/.ssh/config."""

    conn_name_attr = "powermta_conn_id"
    default_conn_name = "powermta_default"
    conn_type = "powermta"
    hook_name = "PowerMTA (SSH)"

    def __init__(self, powermta_conn_id: str = default_conn_name) -> None:
        BaseHook.__init__(self)  # the provider's own would read ~/.ssh/config here
        self.powermta_conn_id = powermta_conn_id
        self._testing = False

    def endpoint(self) -> PowerMtaEndpoint:
        """The connection's fields, checked; every missing one is named at once."""
        return connections.powermta(fields_of(self.get_connection(self.powermta_conn_id), self._testing))

    def get_conn(self) -> PowerMta:  # type: ignore[override]
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

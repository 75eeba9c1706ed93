"""Connection type `mailwizz`: host = API address (its own port wins over the field's), password = API key; extras `auth`, `private_key`, `timeout`."""

from airflow.sdk import BaseHook, Connection

from email_engine.adapters.mailwizz_api import Auth, MailwizzApi, MailwizzEndpoint
from email_engine.addresses import HTTP, parse_address
from email_engine.errors import EngineError, InputError
from email_engine_airflow.hooks.naming import called, reading


class MailwizzHook(BaseHook):
    """Gives a `MailwizzApi`; connects and transports, nothing else."""

    conn_name_attr = "mailwizz_conn_id"
    default_conn_name = "mailwizz_default"
    conn_type = "mailwizz"
    hook_name = "MailWizz API"

    def __init__(self, mailwizz_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.mailwizz_conn_id = mailwizz_conn_id
        self._testing = False

    def get_conn(self) -> MailwizzApi:
        """Not yet connected; use it in a `with`. Raises InputError for an incomplete connection."""
        with reading(self.mailwizz_conn_id):
            return self._client()

    def _client(self) -> MailwizzApi:
        connection = self.get_connection(self.mailwizz_conn_id)
        extra = connection.extra_dejson
        subject = called(connection, self._testing)
        address = _address(subject, connection)
        auth, timeout = str(extra.get("auth") or Auth.API_KEY), extra.get("timeout") or 20
        try:
            return MailwizzApi(
                MailwizzEndpoint(
                    name="API" if self._testing else self.mailwizz_conn_id,
                    base_url=address,
                    api_key=(connection.password or "").strip(),
                    auth=Auth(auth),
                    private_key=str(extra.get("private_key") or "").strip(" \t\r\n\"'"),
                    timeout=float(timeout),
                )
            )
        except ValueError:
            raise InputError(
                subject, f"auth {auth!r}, timeout {timeout!r}",
                "x-api-key or signed; seconds", "correct the connection's extra fields",
            ) from None  # fmt: skip

    def test_connection(self) -> tuple[bool, str]:
        """Lists the customer's delivery servers."""
        self._testing = True
        try:
            with self.get_conn() as api:
                count = len(api.delivery_servers())
        except EngineError as error:
            return False, str(error)
        if not count:
            return (
                True,
                "the key is accepted; no delivery server belongs to its customer (system servers never show)",
            )
        return True, f"the key is accepted; {count} delivery servers belong to its customer"


def _address(subject: str, connection: Connection) -> str:
    """The API address; a connection made from a URI keeps its scheme in a field of its own."""
    address = parse_address(subject, connection.host, connection.port, HTTP)
    if not address.host:
        return ""
    return address.url(connection.schema if connection.schema in HTTP else "https")

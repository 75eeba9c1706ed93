"""Connection type `mailwizz`: host = API address, password = API key; extras `auth`, `private_key`, `timeout`."""

from airflow.sdk import BaseHook

from email_engine.adapters.mailwizz_api import Auth, MailwizzApi, MailwizzEndpoint
from email_engine.errors import EngineError, InputError


class MailwizzHook(BaseHook):
    """Gives a `MailwizzApi`; connects and transports, nothing else."""

    conn_name_attr = "mailwizz_conn_id"
    default_conn_name = "mailwizz_default"
    conn_type = "mailwizz"
    hook_name = "MailWizz API"

    def __init__(self, mailwizz_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.mailwizz_conn_id = mailwizz_conn_id

    def get_conn(self) -> MailwizzApi:
        """Not yet connected; use it in a `with`. Raises InputError for an incomplete connection."""
        connection = self.get_connection(self.mailwizz_conn_id)
        extra = connection.extra_dejson
        auth, timeout = str(extra.get("auth") or Auth.API_KEY), extra.get("timeout") or 20
        try:
            return MailwizzApi(
                MailwizzEndpoint(
                    name=self.mailwizz_conn_id,
                    base_url=_address(connection.host, connection.schema, connection.port),
                    api_key=connection.password or "",
                    auth=Auth(auth),
                    private_key=str(extra.get("private_key") or ""),
                    timeout=float(timeout),
                )
            )
        except ValueError:
            raise InputError(
                f"connection {self.mailwizz_conn_id}", f"auth {auth!r}, timeout {timeout!r}",
                "x-api-key or signed; seconds", "correct the connection's extra fields",
            ) from None  # fmt: skip

    def test_connection(self) -> tuple[bool, str]:
        """Lists the customer's delivery servers."""
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


def _address(host: str | None, schema: str | None, port: int | None) -> str:
    """The API address; a connection made from a URI keeps scheme and port in fields of their own."""
    host = (host or "").strip()
    if not host or "://" in host:
        return host
    name, slash, path = host.partition("/")
    return f"{schema or 'https'}://{name}{f':{port}' if port else ''}{slash}{path}"

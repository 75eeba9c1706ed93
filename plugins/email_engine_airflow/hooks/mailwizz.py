"""Connection type `mailwizz`: host = API address (its own port wins over the field's), password = API key; extras `auth`, `private_key`, `timeout`."""

from airflow.sdk import BaseHook

from email_engine.adapters import connections
from email_engine.adapters.mailwizz_api import MailwizzApi
from email_engine.errors import EngineError
from email_engine_airflow.hooks.fields import fields_of


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
        return connections.mailwizz_api(fields_of(self.get_connection(self.mailwizz_conn_id), self._testing))

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

"""Connection type `mailwizz_db`: MailWizz's MySQL/MariaDB (in the lab PostgreSQL); extras `dialect`, `table_prefix`, `charset`,
`ssl_ca`, `ssl_verify`, `ssl_disabled`."""

from airflow.sdk import BaseHook

from email_engine.adapters import connections
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.errors import EngineError
from email_engine_airflow.hooks.fields import fields_of


class MailwizzDbHook(BaseHook):
    """Gives a `MailwizzDb`; connects and transports, nothing else. A host that begins with `/` is a unix socket
    (PostgreSQL: its folder)."""

    conn_name_attr = "mailwizz_db_conn_id"
    default_conn_name = "mailwizz_db_default"
    conn_type = "mailwizz_db"
    hook_name = "MailWizz database"

    def __init__(self, mailwizz_db_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.mailwizz_db_conn_id = mailwizz_db_conn_id
        self._testing = False

    def get_conn(self) -> MailwizzDb:
        """Not yet connected; use it in a `with`. Raises InputError for an incomplete connection."""
        return connections.mailwizz_db(
            fields_of(self.get_connection(self.mailwizz_db_conn_id), self._testing)
        )

    def test_connection(self) -> tuple[bool, str]:
        """Reads the delivery servers and says what was found; writes nothing."""
        self._testing = True
        try:
            with self.get_conn() as database:
                servers = database.servers()
        except EngineError as error:
            return False, str(error)
        named = sum(1 for server in servers if server.vmtas)
        return True, f"{len(servers)} delivery servers, {named} of them name a virtual MTA (x-virtual-mta)"

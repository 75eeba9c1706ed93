"""Connection type `mailwizz_db`: MailWizz's MySQL/MariaDB (in the lab PostgreSQL); extras `dialect`, `table_prefix`, `charset`."""

from airflow.sdk import BaseHook, Connection
from sqlalchemy import URL

from email_engine.adapters.mailwizz_db import MailwizzDatabase, MailwizzDb
from email_engine.addresses import parse_address
from email_engine.errors import EngineError, InputError
from email_engine_airflow.hooks.naming import called, reading

DRIVERS = {"mysql": "mysql+pymysql", "postgresql": "postgresql+psycopg"}
SCHEMES = {"mysql": 3306, "mariadb": 3306, "postgresql": 5432}
SOCKET = {"mysql": "unix_socket", "postgresql": "host"}


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
        connection = self.get_connection(self.mailwizz_db_conn_id)
        prefix = connection.extra_dejson.get("table_prefix")
        with reading(self.mailwizz_db_conn_id):
            return MailwizzDb(
                MailwizzDatabase(
                    "under test" if self._testing else self.mailwizz_db_conn_id,
                    _url(connection, called(connection, self._testing)),
                    "mw_" if prefix is None else str(prefix),
                )
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


def _url(connection: Connection, subject: str) -> URL:
    extra = connection.extra_dejson
    dialect = str(extra.get("dialect") or "mysql")
    missing = [name for name in ("host", "login", "schema") if not getattr(connection, name)]
    if dialect not in DRIVERS or missing:
        raise InputError(
            subject,
            f"empty: {', '.join(missing)}" if missing else f"dialect {dialect!r}",
            "host, login, database; dialect mysql or postgresql",
            "fill in the mailwizz_db connection",
        )
    address = parse_address(subject, connection.host, connection.port, SCHEMES)
    host = address.host
    query = {"charset": str(extra.get("charset") or "utf8mb4")} if dialect == "mysql" else {}
    if host.startswith("/"):
        query[SOCKET[dialect]] = host
    return URL.create(
        DRIVERS[dialect],
        username=connection.login,
        password=connection.password,
        host=None if host.startswith("/") else host,
        port=None if host.startswith("/") and dialect == "mysql" else address.port,
        database=connection.schema,
        query=query,
    )

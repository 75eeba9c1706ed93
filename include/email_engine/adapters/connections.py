"""From a connection's fields, as Airflow's form or a file hands them over, to a client: the one way for hooks and shell."""

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from sqlalchemy import URL

from email_engine.adapters.connection_fields import Fields, refuse_unknown, seconds, truth
from email_engine.adapters.dns_resolver import Resolver
from email_engine.adapters.mailwizz_api import Auth, MailwizzApi, MailwizzEndpoint
from email_engine.adapters.mailwizz_customers import MailwizzCustomers
from email_engine.adapters.mailwizz_database import MailwizzDatabase, Tls
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.adapters.nameservers import DNS_PORT, parse_nameserver, refuse_public
from email_engine.adapters.powermta import PowerMtaEndpoint
from email_engine.adapters.telegram import BASE_URL, TelegramEndpoint
from email_engine.addresses import HTTP, parse_address, shown
from email_engine.errors import InputError, Unreachable

SSH_PORT = 22
ENGINE_DATABASE = "email_engine"
POSTGRES = {"postgresql": 5432, "postgres": 5432}
DRIVERS = {"mysql": "mysql+pymysql", "postgresql": "postgresql+psycopg"}
MAILWIZZ_DB = {"mysql": 3306, "mariadb": 3306, "postgresql": 5432}
SOCKET = {"mysql": "unix_socket", "postgresql": "host"}
TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey")
MAILWIZZ_DB_EXTRA = ("dialect", "table_prefix", "charset", "ssl_ca", "ssl_verify", "ssl_disabled")


def powermta(fields: Fields) -> PowerMtaEndpoint:
    """`host` (its own `:port` wins), `port` (22), `login`; extra `host_key` (the host's public key, pinned), `private_key`
    (its text) or `private_key_file`, `pmta_command` (`pmta`), `connect_timeout` (10), `command_timeout` (60); for DKIM keys
    `keys_login`, `keys_private_key` or `keys_private_key_file`. Raises InputError,
    which names every missing field at once."""
    with fields.blamed():
        address = parse_address(fields.subject, fields.host, fields.port, {"ssh": SSH_PORT})
        extra = fields.extra
        key = extra.get("private_key") or _key_file(fields, extra.get("private_key_file"))
        needed = {
            "host": address.host,
            "login": fields.login,
            "host_key": extra.get("host_key"),
            "private_key or private_key_file": key,
        }
        missing = [name for name, value in needed.items() if not value]
        if missing:
            raise InputError(
                fields.subject,
                f"empty: {', '.join(missing)}",
                "host, login, the pinned host key and a login key",
                "fill them in under Admin > Connections",
            )
        return PowerMtaEndpoint(
            host=address.host,
            port=address.port or SSH_PORT,
            username=str(fields.login),
            host_key=str(extra["host_key"]),
            private_key=str(key),
            pmta_command=str(extra.get("pmta_command") or "pmta"),
            connect_timeout=seconds(fields, "connect_timeout", 10.0),
            command_timeout=seconds(fields, "command_timeout", 60.0),
            keys_username=str(extra.get("keys_login") or "").strip(),
            keys_private_key=str(
                extra.get("keys_private_key")
                or _key_file(fields, extra.get("keys_private_key_file"), "keys_private_key")
                or ""
            ),
        )


def mailwizz_api(fields: Fields) -> MailwizzApi:
    """`host`: the API's address; `password`: the API key; extra `auth`, `private_key`, `timeout`, `more_api_keys`. Not yet connected. A
    connection that was made from a URI keeps its scheme in the field `schema`."""
    with fields.blamed():
        address = parse_address(fields.subject, fields.host, fields.port, HTTP)
        scheme = fields.schema if fields.schema in HTTP else "https"
        auth, timeout = str(fields.extra.get("auth") or Auth.API_KEY), fields.extra.get("timeout") or 20
        try:
            first = MailwizzEndpoint(
                name="API" if fields.under_test else fields.name,
                base_url=address.url(str(scheme)) if address.host else "",
                api_key=(fields.password or "").strip(),
                auth=Auth(auth),
                private_key=str(fields.extra.get("private_key") or "").strip(" \t\r\n\"'"),
                timeout=float(timeout),
            )
            further = [
                replace(first, name=f"{first.name}, key {number}", api_key=key, private_key=private)
                for number, (key, private) in enumerate(_more_keys(fields, first), 2)
            ]
            return MailwizzCustomers([first, *further]) if further else MailwizzApi(first)
        except ValueError:
            raise InputError(
                fields.subject, f"auth {auth!r}, timeout {timeout!r}",
                "x-api-key or signed; seconds", "correct the connection's extra fields",
            ) from None  # fmt: skip


def _more_keys(fields: Fields, first: MailwizzEndpoint) -> Iterator[tuple[str, str]]:
    """Keys of further customers, separated by blanks, commas or line breaks; of 1.9 each as `public:private`."""
    given = fields.extra.get("more_api_keys") or ""
    words = given if isinstance(given, list) else re.split(r"[\s,;]+", str(given))
    seen = {first.api_key}
    for number, word in enumerate((str(each).strip("\"' ") for each in words if str(each).strip()), 2):
        key, _, private = word.partition(":")
        if key in seen:
            raise InputError(
                fields.subject, f"API key {number} is one of those before it", "one key for each further customer",
                "take it out of more_api_keys",
            )  # fmt: skip
        seen.add(key)
        yield key, private


def mailwizz_db(fields: Fields) -> MailwizzDb:
    """`host` (one that begins with `/` is a unix socket; PostgreSQL: its folder), `login`, `password`, `schema`: the database;
    extra `dialect`, `table_prefix`, `charset`; `ssl_ca` (a file; the server's certificate is verified by it unless `ssl_verify`
    is false), `ssl_disabled`. Not yet connected. InputError also for an extra that is none of these."""
    with fields.blamed():
        refuse_unknown(fields, MAILWIZZ_DB_EXTRA)
        prefix = fields.extra.get("table_prefix")
        return MailwizzDb(
            MailwizzDatabase(
                "under test" if fields.under_test else fields.name,
                _mailwizz_url(fields),
                "mw_" if prefix is None else str(prefix),
                Tls(
                    str(fields.extra.get("ssl_ca") or "") or None,
                    truth(fields, "ssl_verify", True),
                    truth(fields, "ssl_disabled", False),
                ).checked(fields.subject),
            )
        )


def engine_url(fields: Fields) -> URL:
    """The address of the engine's database, password included. Its host may be a folder with PostgreSQL's unix socket; extra
    `sslmode`, `sslrootcert`, `sslcert` and `sslkey` are passed on."""
    with fields.blamed():
        address = parse_address(fields.subject, fields.host, fields.port, POSTGRES)
        query = {name: str(value) for name, value in fields.extra.items() if name in TLS}
        over_socket = address.host.startswith("/")
        if over_socket:
            query["host"] = address.host
            if address.port:
                query["port"] = str(address.port)
        return URL.create(
            "postgresql+psycopg",
            username=fields.login,
            password=fields.password,
            host=None if over_socket else address.host or None,
            port=None if over_socket else address.port,
            database=fields.schema or ENGINE_DATABASE,
            query=query,
        )


def telegram(fields: Fields) -> TelegramEndpoint:
    """`password`: the bot's token; extra `chat_id`, `base_url`, `thread_id`."""
    with fields.blamed():
        thread = str(fields.extra.get("thread_id") or "")
        try:
            thread_id = int(thread) if thread else None
        except ValueError:
            raise InputError(
                fields.subject, f"thread_id {thread!r}", "a whole number or nothing",
                "set thread_id to the topic's number",
            ) from None  # fmt: skip
        server = str(fields.extra.get("base_url") or "").strip()
        address = parse_address(fields.subject, server or BASE_URL, fields.port if server else None, HTTP)
        return TelegramEndpoint(
            token=(fields.password or "").strip(),
            chat_id=str(fields.extra.get("chat_id") or "").strip(),
            base_url=address.url("https"),
            thread_id=thread_id,
        )


def resolver(fields: Fields) -> Resolver:
    """`host` and `port` are the first name server; a host name is looked up in the system's way each time, and all of its addresses
    are asked. Extra `nameservers` (more of them, a list or text such as "127.0.0.1:5353, 192.0.2.53"), `timeout` (seconds),
    `tries`, `in_flight`. Raises InputError for a connection without a usable name server, and for a public resolver."""
    with fields.blamed():
        extra = fields.extra
        first = parse_address(fields.subject, fields.host, fields.port, {"dns": DNS_PORT})
        nameservers = [(ip, first.port or DNS_PORT) for ip in _addresses(fields.subject, first.host)]
        more = extra.get("nameservers") or []
        for text in more.split(",") if isinstance(more, str) else more:
            if str(text).strip():
                nameservers.append(parse_nameserver(str(text).strip(), fields.subject))
        nameservers = list(dict.fromkeys(nameservers))
        for ip, _ in nameservers:
            refuse_public(fields.subject, ip)
        try:
            timeout, tries = float(extra.get("timeout") or 2.0), int(extra.get("tries") or 3)
            in_flight = int(extra.get("in_flight") or 64)
        except (TypeError, ValueError):
            raise InputError(
                fields.subject,
                "timeout, tries or in_flight is no number",
                "seconds and whole numbers",
                "correct the extra",
            ) from None
        return Resolver(nameservers, timeout=timeout, tries=tries, in_flight=in_flight)


def blocklist_keys(fields: Fields) -> dict[str, str]:
    """Extra `list_api_keys` of a resolver's connection: secrets of block lists that need one, by key name (a mapping, or text
    "spamhaus=KEY, abusix=KEY")."""
    keys = fields.extra.get("list_api_keys") or {}
    if isinstance(keys, str):
        keys = dict(part.split("=", 1) for part in keys.split(",") if "=" in part)
    return {str(name).strip(): str(key).strip() for name, key in keys.items() if key}


def _key_file(fields: Fields, path: str | None, field: str = "private_key") -> str | None:
    if not path:
        return None
    try:
        return Path(path).expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            fields.subject,
            f"{field}_file {path} cannot be read ({type(error).__name__})",
            "an OpenSSH private key that this worker's user may read",
            f"correct the path or its mode, or put the key's text into `{field}`",
        ) from None


def _mailwizz_url(fields: Fields) -> URL:
    dialect = str(fields.extra.get("dialect") or "mysql")
    missing = [name for name in ("host", "login", "schema") if not getattr(fields, name)]
    if dialect not in DRIVERS or missing:
        raise InputError(
            fields.subject,
            f"empty: {', '.join(missing)}" if missing else f"dialect {dialect!r}",
            "host, login, database; dialect mysql or postgresql",
            "fill in the mailwizz_db connection",
        )
    address = parse_address(fields.subject, fields.host, fields.port, MAILWIZZ_DB)
    over_socket = address.host.startswith("/")
    query = {"charset": str(fields.extra.get("charset") or "utf8mb4")} if dialect == "mysql" else {}
    if over_socket:
        query[SOCKET[dialect]] = address.host
    return URL.create(
        DRIVERS[dialect],
        username=fields.login,
        password=fields.password,
        host=None if over_socket else address.host,
        port=None if over_socket and dialect == "mysql" else address.port,
        database=fields.schema,
        query=query,
    )


def _addresses(subject: str, host: str) -> list[str]:
    """The host itself where it is an address or empty; else what the system knows under this name. Unreachable: nothing."""
    if not host:
        return []
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        raise Unreachable(
            subject, f"name server {shown(host)!r} has no address", "an IP address, or a name that this host looks up",
            "see that the name server runs and that its name is right",
        ) from None  # fmt: skip
    return [str(address[0]) for *_, address in found]

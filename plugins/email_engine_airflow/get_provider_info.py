"""What Airflow learns of this package by its entry point `apache_airflow_provider`.

Airflow 3.3 draws connection forms from here alone and imports no hook for it; field names are the keys of a connection's
`extra`. Every form asks for a port: up to 3.3.2 the list's test button sends 0 for an empty one, and Airflow refuses a test whose port is not the
stored one."""

from typing import Any

HOOKS = "email_engine_airflow.hooks"
Field = dict[str, Any]


def _field(
    label: str, description: str, *, kind: str = "string", default: Any = None, **schema: Any
) -> Field:
    known = {"default": default} if default is not None else {}
    return {
        "label": label,
        "description": description,
        "schema": {"type": [kind, "null"], **schema, **known},
    }


def _secret(label: str, description: str) -> Field:
    return _field(label, description, format="password")


def _seconds(label: str, description: str, default: int) -> Field:
    return _field(
        label, f"{description}, in seconds.", kind="integer", default=default, minimum=1, maximum=3600
    )


def _type(
    name: str,
    hook: str,
    title: str,
    fields: dict[str, Field],
    *,
    port: int,
    hidden: list[str],
    labels: dict[str, str],
    examples: dict[str, str],
) -> dict[str, Any]:
    return {
        "connection-type": name,
        "hook-class-name": f"{HOOKS}.{name}.{hook}",
        "hook-name": title,
        "ui-field-behaviour": {
            "hidden-fields": hidden,
            "relabeling": labels | {"port": f"Port (fill in: {port})"},
            "placeholders": examples | {"port": str(port)},
        },
        "conn-fields": fields,
    }


POWERMTA = _type(
    "powermta",
    "PowerMtaHook",
    "PowerMTA (SSH)",
    {
        "host_key": _field(
            "Host key", "The server's public key, as in known_hosts: ssh-ed25519 AAAA... Another key ends the connection."
        ),
        "private_key": _secret("Private key", "The engine's own private key, the whole text; lost line breaks are put right. Or name a file below."),
        "private_key_file": _field("Private key file", "Path of the private key on the Airflow workers."),
        "pmta_command": _field("pmta command", "The pmta program there, with sudo if needed.", default="pmta"),
        "keys_login": _field("User for DKIM keys", "A login there that may only make, install and remove DKIM keys (docs/onboarding.md); empty: the user above, by SFTP."),
        "keys_private_key": _secret("Private key for DKIM keys", "Of that login, where it is another than the one above."),
        "keys_private_key_file": _field("Private key file for DKIM keys", "Or its path on the Airflow workers."),
        "connect_timeout": _seconds("Connect timeout", "How long to wait for the SSH handshake", 10),
        "command_timeout": _seconds("Command timeout", "How long one pmta command may take", 60),
    },
    port=22,
    hidden=["schema", "password"],
    labels={"login": "User"},
    examples={"host": "mta-1.example.com", "login": "pmta"},
)  # fmt: skip

MAILWIZZ = _type(
    "mailwizz",
    "MailwizzHook",
    "MailWizz API",
    {
        "auth": _field(
            "Authentication",
            "x-api-key for MailWizz 2 and newer; signed for 1.9 and older.",
            default="x-api-key",
            enum=["x-api-key", "signed"],
        ),
        "private_key": _secret("Private key", "Only for signed requests: the second key of the pair."),
        "more_api_keys": _secret(
            "Keys of further customers",
            "A key sees one customer alone. Separated by blanks; of 1.9 each as public:private.",
        ),
        "timeout": _seconds("Timeout", "How long one request may take", 20),
    },
    port=443,
    hidden=["schema", "login"],
    labels={"host": "API address", "password": "API key"},
    examples={
        "host": "https://mail.example.com/api",
        "password": "the 40 characters of the customer's API key",
    },
)

MAILWIZZ_DB = _type(
    "mailwizz_db",
    "MailwizzDbHook",
    "MailWizz database",
    {
        "dialect": _field(
            "Dialect", "mysql also means MariaDB.", default="mysql", enum=["mysql", "postgresql"]
        ),
        "table_prefix": _field("Table prefix", "As in MailWizz's main-custom.php.", default="mw_"),
        "charset": _field("Character set", "Of the connection, MySQL only.", default="utf8mb4"),
        "ssl_ca": _field(
            "CA file",
            "Path on the Airflow workers; the server's certificate must come from it and name the host.",
        ),
        "ssl_verify": _field(
            "Verify certificate",
            "By the CA file above; off: encrypted and unverified.",
            kind="boolean",
            default=True,
        ),
        "ssl_disabled": _field(
            "No TLS", "Never encrypt, even where the server offers it.", kind="boolean", default=False
        ),
    },
    port=3306,
    hidden=[],
    labels={"schema": "Database"},
    examples={"host": "127.0.0.1", "schema": "mailwizz", "login": "email_engine"},
)

DNS_RESOLVER = _type(
    "dns_resolver",
    "DnsResolverHook",
    "DNS resolver",
    {
        "nameservers": _field("More name servers", "Further addresses, separated by commas."),
        "timeout": _field("Timeout", "How long to wait for one answer, in seconds.", kind="number", default=2, minimum=0.1, maximum=60),
        "tries": _field("Tries", "Questions before an answer counts as missing.", kind="integer", default=3,
                        minimum=1, maximum=10),
        "in_flight": _field("In flight", "Questions asked at the same time.", kind="integer", default=64,
                            minimum=1, maximum=100),
    },
    port=53,
    hidden=["schema", "login", "password"],
    labels={"host": "Name server"},
    examples={"host": "127.0.0.1"},
)  # fmt: skip

TELEGRAM_ALERTS = _type(
    "telegram_alerts",
    "TelegramAlertsHook",
    "Telegram alerts",
    {
        "chat_id": _field("Chat", "Where alerts go: a number such as -1001234567890, or @channel."),
        "thread_id": _field("Topic", "The topic's number in a group with topics."),
        "base_url": _field("Bot API address", "Another Bot API server.", default="https://api.telegram.org"),
    },
    port=443,
    hidden=["schema", "host", "login"],
    labels={"password": "Bot token"},
    examples={"password": "123456789:the token that @BotFather gave"},
)


def get_provider_info() -> dict[str, Any]:
    """Called by Airflow's ProvidersManager."""
    return {
        "package-name": "email-engine",
        "name": "email-engine",
        "description": "The autopilot of a PowerMTA and MailWizz sending fleet.",
        "connection-types": [POWERMTA, MAILWIZZ, MAILWIZZ_DB, DNS_RESOLVER, TELEGRAM_ALERTS],
        "notifications": ["email_engine_airflow.notifiers.telegram_alerts.TelegramAlertsNotifier"],
    }

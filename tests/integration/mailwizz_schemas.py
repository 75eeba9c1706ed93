"""MailWizz's tables by version in any database, as far as they limit a server, for tests of what the engine reads there."""

from sqlalchemy import (
    CHAR,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Time,
    create_engine,
    delete,
    insert,
    update,
)
from sqlalchemy.engine import URL, Engine

from tests.integration.mailwizz_rows import PREFIX, header

Version = tuple[int, ...]
OLD, PLANS, BITMASK, NEWEST, LATER = (1, 9, 4), (2, 1, 10), (2, 3, 8), (2, 7, 0), (9, 0, 0)
VERSIONS = {"1.9": OLD, "2.1.10": PLANS, "2.3.8": BITMASK, "2.7": NEWEST, "an invented later one": LATER}


def _number(name: str, default: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=str(default))


def _id(name: str) -> Column[int]:
    return Column(name, Integer, primary_key=True, autoincrement=False)


def schema(version: Version) -> MetaData:
    """The tables of that version, with the prefix; the invented later one has a quota that nobody knows."""
    metadata = MetaData()

    def table(name: str, *columns: Column[object] | None) -> None:
        Table(f"{PREFIX}{name}", metadata, *(column for column in columns if column is not None))

    def since(first: Version, column: Column[object]) -> Column[object] | None:
        return column if version >= first else None

    use_for: Column[object] = (
        _number("use_for", 1)
        if version >= BITMASK
        else Column("use_for", CHAR(15), nullable=False, server_default="all")
    )
    table(
        "delivery_server",
        _id("server_id"), Column("customer_id", Integer), Column("type", CHAR(20), nullable=False),
        Column("name", String(255)), Column("hostname", String(255), nullable=False), Column("username", String(255)),
        Column("from_email", String(150), nullable=False, server_default=""), Column("password", String(255)), _number("probability", 100), _number("hourly_quota"), _number("daily_quota"),
        _number("monthly_quota"), since((2, 4, 0), _number("second_quota")), since((2, 4, 0), _number("minute_quota")),
        since(LATER, _number("weekly_quota")), _number("pause_after_send"), Column("meta_data", LargeBinary),
        Column("locked", CHAR(3), nullable=False, server_default="no"), use_for,
        since(BITMASK, Column("force_from_name", String(50))), since(PLANS, Column("warmup_plan_id", Integer)),
        Column("status", CHAR(15), nullable=False, server_default="inactive"), Column("last_updated", DateTime),
    )  # fmt: skip
    table(
        "delivery_server_usage_log", Column("log_id", Integer, primary_key=True), Column("server_id", Integer),
        Column("customer_id", Integer), Column("customer_countable", CHAR(3), server_default="yes"), Column("date_added", DateTime),
    )  # fmt: skip
    if version >= PLANS:
        table("delivery_server_warmup_plan", _id("plan_id"), Column("status", CHAR(15)))
        table(
            "delivery_server_warmup_plan_schedule",
            _id("schedule_id"),
            Column("plan_id", Integer, nullable=False),
        )
        table(
            "delivery_server_warmup_plan_schedule_log", _id("server_id"), _id("schedule_id"), _number("plan_id"),
            _number("allowed_quota"), _number("used_quota"), Column("status", CHAR(15), nullable=False),
        )  # fmt: skip
    table("customer", _id("customer_id"), Column("group_id", Integer), Column("email", String(100)), _number("hourly_quota"),
          Column("status", CHAR(15), nullable=False, server_default="active"))  # fmt: skip
    table("customer_group_option", Column("option_id", Integer, primary_key=True), _number("group_id"), Column("code", String(255)),
          _number("is_serialized"), Column("value", LargeBinary))  # fmt: skip
    table("delivery_server_to_customer_group", _id("server_id"), _id("group_id"))
    table("campaign", _id("campaign_id"), _number("customer_id"), Column("name", String(255)), Column("status", CHAR(15)),
          _number("list_id"), Column("segment_id", Integer), Column("type", CHAR(15), server_default="regular"), Column("send_at", DateTime),
          since((2, 2, 0), Column("send_between_start", Time)), since((2, 2, 0), Column("send_between_end", Time)))  # fmt: skip
    table("campaign_to_delivery_server", _id("campaign_id"), _id("server_id"))
    table("campaign_option", _id("campaign_id"), _number("processed_count", -1))
    for name in ("campaign_delivery_log", "campaign_delivery_log_archive"):
        table(name, Column("log_id", Integer, primary_key=True), _number("campaign_id"), Column("subscriber_id", Integer, nullable=False,
              server_default="0", index=True), Column("server_id", Integer), Column("email_message_id", String(255)), Column("status", CHAR(15), server_default="success"),
              Column("date_added", DateTime))  # fmt: skip
    table("campaign_track_open", Column("id", Integer, primary_key=True), _number("campaign_id"), Column("subscriber_id", Integer, index=True),
          Column("user_agent", String(255)), Column("date_added", DateTime))  # fmt: skip
    table("campaign_track_url", Column("id", Integer, primary_key=True), _number("url_id"), Column("subscriber_id", Integer, index=True),
          Column("user_agent", String(255)), Column("date_added", DateTime))  # fmt: skip
    table("campaign_url", _id("url_id"), _number("campaign_id"))
    table(
        "list",
        _id("list_id"),
        Column("list_uid", CHAR(13)),
        Column("name", String(255)),
        Column("status", CHAR(15)),
    )
    table(
        "email_blacklist",
        _id("email_id"),
        Column("email", String(150)),
        Column("reason", String(250)),
        Column("date_added", DateTime),
    )
    table("list_subscriber", _id("subscriber_id"), Column("subscriber_uid", CHAR(13)), _number("list_id"), Column("email", String(150)),
          Column("status", CHAR(15)), Column("date_added", DateTime))  # fmt: skip
    table(
        "console_command", _id("command_id"), Column("command", String(255)), Column("date_added", DateTime)
    )
    table("console_command_history", Column("history_id", Integer, primary_key=True), _number("command_id"),
          Column("start_time", DateTime), Column("end_time", DateTime))  # fmt: skip
    secret = "key" if version >= (2,) else "public"
    table(
        "customer_api_key",
        _id("key_id"),
        Column(secret, String(40)),
        since((2, 2, 9), Column("enable_permissions", CHAR(3))),
    )
    if version >= (2, 4, 2):
        table("campaign_delivery_count_history", _id("campaign_id"), _number("success_hourly"))
    if version >= (2, 5, 0):
        table("campaign_tracking_ignore_list", _id("id"), Column("action", String(25)))
    return metadata


class Installations:
    """One MailWizz after the other in one database; tables are made anew only where the version changes."""

    def __init__(self, url: str | URL) -> None:
        self.engine = create_engine(url)
        self._made: tuple[Version, MetaData] | None = None

    def of(self, version: Version) -> "Mailwizz":
        """Servers 101 to 106, synced (10,000 a day, 1,000 an hour) and active, of customer 1 in group 5; nothing else."""
        made = Mailwizz(self.engine, self._tables(version))
        made.add("customer", customer_id=1, group_id=5, email="somebody@example.com")
        servers = [(number, f"aurora-{number - 100}") for number in range(101, 107)]
        made.add(
            "delivery_server",
            *(
                {"server_id": number, "customer_id": 1, "type": "smtp-pmta", "name": name, "hostname": "mta-1",
                 "password": "encrypted", "meta_data": header(name), "daily_quota": 10_000, "hourly_quota": 1_000,
                 "status": "active"}
                for number, name in servers
            ),
        )  # fmt: skip
        return made

    def close(self) -> None:
        self._drop()
        self.engine.dispose()

    def _tables(self, version: Version) -> MetaData:
        if self._made is None or self._made[0] != version:
            self._drop()
            self._made = (version, schema(version))
            self._made[1].create_all(self.engine)
        with self.engine.begin() as conn:
            for table in self._made[1].sorted_tables:
                conn.execute(delete(table))
        return self._made[1]

    def _drop(self) -> None:
        if self._made is not None:
            self._made[1].drop_all(self.engine)


class Mailwizz:
    """Its tables in the hands of somebody else than the engine; names without the prefix."""

    def __init__(self, engine: Engine, metadata: MetaData) -> None:
        self.engine, self._metadata = engine, metadata

    def table(self, name: str) -> Table:
        return self._metadata.tables[f"{PREFIX}{name}"]

    def add(self, name: str, /, *rows: dict[str, object], **values: object) -> None:
        with self.engine.begin() as conn:
            conn.execute(insert(self.table(name)), list(rows) or [values])

    def change(self, server_id: int, **values: object) -> None:
        server = self.table("delivery_server")
        with self.engine.begin() as conn:
            conn.execute(update(server).where(server.c.server_id == server_id).values(**values))

"""MailWizz's delivery-server tables in any database, for tests of what the engine writes there."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import (
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    insert,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.engine import URL, Engine

PREFIX = "mw_"
metadata = MetaData()
server = Table(
    f"{PREFIX}delivery_server",
    metadata,
    Column("server_id", Integer, primary_key=True, autoincrement=False),
    Column("customer_id", Integer),
    Column("type", String(20), nullable=False),
    Column("name", String(255)),
    Column("hostname", String(255), nullable=False),
    Column("meta_data", LargeBinary),
    Column("hourly_quota", Integer, nullable=False, server_default="0"),
    Column("daily_quota", Integer, nullable=False, server_default="0"),
    Column("monthly_quota", Integer, nullable=False, server_default="0"),
    Column("status", String(15), nullable=False, server_default="inactive"),
    Column("last_updated", DateTime),
    Column("warmup_plan_id", Integer),
)
usage = Table(
    f"{PREFIX}delivery_server_usage_log",
    metadata,
    Column("log_id", Integer, primary_key=True),
    Column("server_id", Integer),
    Column("date_added", DateTime),
)
schedule = Table(
    f"{PREFIX}delivery_server_warmup_plan_schedule",
    metadata,
    Column("schedule_id", Integer, primary_key=True, autoincrement=False),
    Column("plan_id", Integer, nullable=False),
)
plan_log = Table(
    f"{PREFIX}delivery_server_warmup_plan_schedule_log",
    metadata,
    Column("server_id", Integer, primary_key=True, autoincrement=False),
    Column("schedule_id", Integer, primary_key=True, autoincrement=False),
    Column("plan_id", Integer, nullable=False),
    Column("status", String(15), nullable=False),
)


def header(vmta: str) -> bytes:
    """meta_data with one additional header, as PHP serializes it."""
    name = "x-virtual-mta"
    return (
        f'a:1:{{s:18:"additional_headers";a:1:{{i:0;a:2:{{s:4:"name";s:{len(name)}:"{name}";'
        f's:5:"value";s:{len(vmta)}:"{vmta}";}}}}}}'
    ).encode()


@contextmanager
def filled(url: str | URL) -> Iterator[Engine]:
    """Three servers: 101 unlimited and active, 102 with quotas and in use, 103 disabled."""
    engine = create_engine(url)
    metadata.create_all(engine)
    with engine.begin() as conn:
        for number, daily, hourly, status in (
            (101, 0, 0, "active"),
            (102, 500, 50, "in-use"),
            (103, 1, 1, "disabled"),
        ):
            name = f"aurora-{number - 100}"
            conn.execute(
                insert(server).values(
                    server_id=number, type="smtp-pmta", name=name, hostname="mta-1", meta_data=header(name),
                    daily_quota=daily, hourly_quota=hourly, status=status,
                )
            )  # fmt: skip
    try:
        yield engine
    finally:
        metadata.drop_all(engine)
        engine.dispose()


def change(engine: Engine, server_id: int, **values: object) -> None:
    """What somebody else does to a server."""
    with engine.begin() as conn:
        conn.execute(update(server).where(server.c.server_id == server_id).values(**values))


def row(engine: Engine, server_id: int) -> dict[str, object]:
    with engine.connect() as conn:
        return dict(conn.execute(select(server).where(server.c.server_id == server_id)).mappings().one())


def run(engine: Engine, statement: str) -> None:
    with engine.begin() as conn:
        conn.execute(text(statement))


def wrong_password(url: str | URL) -> URL:
    return make_url(url).set(password="wrong")

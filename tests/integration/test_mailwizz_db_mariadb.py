"""The same on a real MariaDB, when its server is installed (Debian: mariadb-server)."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, create_engine, text

from tests.integration.mailwizz_db_suite import MailwizzDbSuite, database
from tests.integration.mailwizz_rows import filled

MARIADBD = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin")
INSTALL = shutil.which("mariadb-install-db")
pytestmark = pytest.mark.skipif(
    not (MARIADBD and INSTALL),
    reason="no mariadbd and mariadb-install-db here: install mariadb-server to run these",
)
PASSWORD = "not-a-secret"


def _identity() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("nobody")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@pytest.fixture(scope="module")
def server() -> Iterator[URL]:
    """An own server in a folder of its own, over a unix socket alone; the URL is its administrator's."""
    home = Path(tempfile.mkdtemp(prefix="ee-mdb-"))
    identity = _identity()
    if identity:
        shutil.chown(home, "nobody", identity["group"])
    common = ["--no-defaults", f"--datadir={home}/data"]
    account = (
        pwd.getpwuid(int(str(identity["user"]))).pw_name if identity else pwd.getpwuid(os.geteuid()).pw_name
    )
    quick = [
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-log-file-size=8M",
        "--innodb-buffer-pool-size=32M",
    ]
    with (home / "log").open("w") as log:
        subprocess.run(
            [str(INSTALL), *common, "--auth-root-authentication-method=normal", "--skip-test-db", f"--user={account}"],
            check=True, stdout=log, stderr=log, cwd="/", **identity,  # type: ignore[call-overload]
        )  # fmt: skip
        process = subprocess.Popen(
            [str(MARIADBD), *common, *quick, f"--socket={home}/socket", "--skip-networking", f"--pid-file={home}/pid"],
            stdout=log, stderr=log, cwd="/", **identity,  # type: ignore[call-overload]
        )  # fmt: skip
        try:
            url = URL.create(
                "mysql+pymysql", "root", "", database="mysql", query={"unix_socket": f"{home}/socket"}
            )
            _wait(process, home / "log")
            yield url
        finally:
            process.terminate()
            process.wait(30)
            shutil.rmtree(home, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if "ready for connections" in log.read_text():
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    pytest.fail(f"mariadbd did not start: {log.read_text()[-2000:]}")


class TestOnMariadb(MailwizzDbSuite):
    """With the grants that docs ask for, not as the administrator."""

    GRANTS = (
        "CREATE DATABASE mailwizz CHARACTER SET utf8mb4",
        f"CREATE USER 'email_engine'@'localhost' IDENTIFIED BY '{PASSWORD}'",
        "GRANT SELECT ON mailwizz.* TO 'email_engine'@'localhost'",
    )

    @pytest.fixture(autouse=True)
    def administrator(self, server: URL) -> Iterator[Engine]:
        engine = create_engine(server)
        with engine.begin() as conn:
            for statement in self.GRANTS:
                conn.execute(text(statement))
        yield engine
        with engine.begin() as conn:
            conn.execute(text("DROP USER 'email_engine'@'localhost'"))
            conn.execute(text("DROP DATABASE mailwizz"))
        engine.dispose()

    @pytest.fixture
    def url(self, server: URL) -> str:
        own = server.set(username="email_engine", password=PASSWORD, database="mailwizz")
        return own.render_as_string(hide_password=False)

    @pytest.fixture
    def engine(self, server: URL, administrator: Engine) -> Iterator[Engine]:
        with filled(server.set(database="mailwizz")) as engine:
            with administrator.begin() as conn:
                conn.execute(
                    text(
                        "GRANT UPDATE (hourly_quota, daily_quota, status, last_updated) "
                        "ON mailwizz.mw_delivery_server TO 'email_engine'@'localhost'"
                    )
                )
            yield engine

    def test_a_login_without_the_grant_is_told_which_one(
        self, engine: Engine, administrator: Engine, url: str
    ) -> None:
        from email_engine.errors import AccessDenied

        with administrator.begin() as conn:
            conn.execute(
                text(
                    "REVOKE UPDATE (hourly_quota, daily_quota, status, last_updated) "
                    "ON mailwizz.mw_delivery_server FROM 'email_engine'@'localhost'"
                )
            )
        with database(url) as db, pytest.raises(AccessDenied, match="UPDATE on quotas"):
            db.disable(101)

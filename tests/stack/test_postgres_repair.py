"""PostgreSQL comes up again from what killed servers, cleaners and full disks leave."""

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from stack.postgres import Cluster
from stack.postgres_programs import PostgresError
from stack.processes import alive


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster(Path(tempfile.mkdtemp(prefix="ee-repair-")), durable=False)
    try:
        made.start()
        with psycopg.connect(made.url().replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
            connection.execute("CHECKPOINT")
        yield made
    finally:
        made.remove()


def kill(cluster: Cluster) -> None:
    pid = cluster.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def stop_and_leave(text: str) -> Callable[[Cluster], None]:
    def leave(cluster: Cluster) -> None:
        cluster.stop()
        (cluster.data / "postmaster.pid").write_text(text.format(own=os.getpid(), data=cluster.data))

    return leave


def forget_pid_file(cluster: Cluster) -> None:
    (cluster.data / "postmaster.pid").unlink()


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(kill, id="killed"),
        pytest.param(lambda c: c.socket.unlink(), id="its socket deleted by a cleaner of /tmp"),
        pytest.param(forget_pid_file, id="its pid file deleted while it runs"),
        pytest.param(stop_and_leave(""), id="an empty pid file, as a full disk leaves it"),
        pytest.param(stop_and_leave("many\n"), id="a pid file of garbage"),
        pytest.param(stop_and_leave("{own}\n{data}\n1\n"), id="a pid that another program has now"),
        pytest.param(stop_and_leave("999999999\n{data}\n1\n"), id="a pid of nobody"),
        pytest.param(lambda c: (c.stop(), c.socket.write_text("")), id="a file where the socket shall be"),
        pytest.param(
            lambda c: (c.stop(), c.socket.with_name(".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")),
            id="a lock of a socket with the pid of another program",
        ),
    ],
)
def test_it_is_repaired_and_its_data_stands(cluster: Cluster, harm: Callable[[Cluster], object]) -> None:
    harm(cluster)
    cluster.start()
    assert cluster.reachable()
    with psycopg.connect(cluster.url().replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (42,)


def test_a_pid_of_another_program_is_no_server(cluster: Cluster) -> None:
    stop_and_leave("{own}\n{data}\n1\n")(cluster)
    assert not cluster.running()
    cluster.stop()
    assert alive(os.getpid()), "and it is not ours to end"
    cluster.start()


def test_two_that_find_it_dead_start_one(cluster: Cluster) -> None:
    kill(cluster)
    failures: list[Exception] = []

    def start() -> None:
        try:
            Cluster(cluster.place, durable=False).start()
        except Exception as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert cluster.answers()


def test_a_server_that_hears_nothing_is_ended_all_the_same(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = cluster.pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(Cluster, "_wait", staticmethod(lambda ready, seconds=0.0: wait(ready, 0.5)))
    cluster.stop()
    assert not alive(pid)
    monkeypatch.undo()
    cluster.start()


def wait(ready: Callable[[], bool], seconds: float) -> bool:
    done = threading.Event()
    while not ready() and seconds > 0:
        done.wait(0.05)
        seconds -= 0.05
    return ready()


def test_why_it_cannot_start_is_told_with_its_own_words(cluster: Cluster) -> None:
    cluster.stop()
    wal = cluster.data / "pg_wal"
    wal.rename(cluster.data / "pg_wal.away")
    try:
        with pytest.raises(PostgresError, match=r"(?s)pg_ctl start failed.*pg_wal") as caught:
            cluster.start()
        assert len(str(caught.value)) < 5000
    finally:
        (cluster.data / "pg_wal.away").rename(wal)
        cluster.start()


def test_a_first_start_that_was_killed_half_way_does_not_count_as_made() -> None:
    place = Path(tempfile.mkdtemp(prefix="ee-half-"))
    cluster = Cluster(place, durable=False)
    half = place / "data.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    try:
        cluster.start()
        assert cluster.answers()
        assert not half.exists()
    finally:
        cluster.remove()
    assert list(place.parent.glob(place.name + "*")) == []

"""Runs whole DAGs in this process, at a time of the caller's choosing, by Airflow's own `dag.test()`."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How one task instance ended; `map_index` is -1 for tasks that are not mapped."""

    task: str
    map_index: int
    state: str


@dataclass(frozen=True, slots=True)
class RunResult:
    """How one DAG run ended."""

    dag: str
    run_id: str
    state: str
    tasks: tuple[TaskResult, ...]

    def states(self, task: str) -> tuple[str, ...]:
        return tuple(t.state for t in self.tasks if t.task == task)

    @property
    def failed(self) -> tuple[str, ...]:
        return tuple(
            f"{t.task}[{t.map_index}]" if t.map_index >= 0 else t.task
            for t in self.tasks
            if t.state == "failed"
        )


def _never_retry(task: Any) -> None:
    """`dag.test()` waits out every retry delay in this process; the next simulated run is the retry here."""
    if task.is_mapped:
        task.partial_kwargs["retries"] = 0
    else:
        task.retries = 0


class DagRunner:
    """Airflow inside this process: call `prepare` once, after the environment names a migrated database.

    Airflow writes every task log to stdout; `quiet` sends all of it to a file instead."""

    def __init__(self, environment: Mapping[str, str], dags: Path, log: Path) -> None:
        os.environ.update(environment)
        self.dags = dags
        self.log = log
        self.bag: dict[str, Any] = {}
        self.defaults: dict[str, dict[str, Any]] = {}
        self.client: Any = None

    def prepare(self) -> None:
        """Parses the DAG folder and writes it to Airflow's database. Raises ImportError with the file and reason."""
        with self.quiet():
            from airflow.dag_processing.bundles.manager import DagBundlesManager
            from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

            DagBundlesManager().sync_bundles_to_db()
            bag = DagBag(str(self.dags), bundle_path=self.dags, bundle_name="dags-folder")
            if bag.import_errors:
                raise ImportError("; ".join(f"{file}: {error}" for file, error in bag.import_errors.items()))
            for dag in bag.dags.values():
                for task in dag.tasks:
                    _never_retry(task)
            sync_bag_to_db(bag, "dags-folder", None)
            self.bag = dict(bag.dags)
            self.defaults = {name: dict(dag.params.dump()) for name, dag in bag.dags.items()}

    def run(self, dag_id: str, run_after: datetime, **conf: Any) -> RunResult:
        """One run to its end; tasks that fail do not raise, they are in the result."""
        # `dag.test()` leaves one run's params behind for the next: every run is given all of them
        run_conf = self.defaults[dag_id] | conf
        with self.quiet():
            run = self._impatiently(self.bag[dag_id].test)(
                run_after=run_after, logical_date=None, run_conf=run_conf
            )
            tasks = tuple(
                TaskResult(ti.task_id, ti.map_index, str(ti.state)) for ti in run.get_task_instances()
            )
        return RunResult(dag_id, run.run_id, str(run.state), tasks)

    def _impatiently(self, test: Callable[..., Any]) -> Callable[..., Any]:
        """`dag.test()` sleeps a whole second wherever a task has to wait for a mapped one. In every run it parses and stores
        the whole folder again, which `prepare` did once, and clears all earlier runs that have no logical date; for every
        task it makes a client that loads certificates and the stored DAG again."""
        from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor

        new_client = InProcessTestSupervisor._api_client

        def handle(number: int, handler: Any, real: Callable[..., Any] = signal.signal) -> Any:
            """A task would take SIGTERM for itself and do nothing with it; here it means the whole process."""
            return signal.getsignal(number) if number == signal.SIGTERM else real(number, handler)

        def client(dag: Any = None) -> Any:
            if dag is None:
                return new_client()
            self.client = self.client or new_client(dag)
            return self.client

        def sleep(seconds: float, real: Callable[[float], None] = time.sleep) -> None:
            waits_for_tasks = sys._getframe(1).f_globals.get("__name__") == "airflow.sdk.definitions.dag"
            real(0.0 if waits_for_tasks else seconds)

        def patched(*args: Any, **kwargs: Any) -> Any:
            known = mock.patch.multiple(
                "airflow.dag_processing.dagbag", BundleDagBag=mock.DEFAULT, sync_bag_to_db=mock.DEFAULT
            )
            earlier = mock.patch("airflow.serialization.definitions.dag.SerializedDAG.clear_dags")
            api = mock.patch.object(InProcessTestSupervisor, "_api_client", staticmethod(client))
            term = mock.patch("signal.signal", handle)
            with mock.patch("time.sleep", sleep), known, earlier, api, term:
                return test(*args, **kwargs)

        return patched

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Everything that this process and its children print goes to the log file meanwhile."""
        saved = os.dup(1), os.dup(2)
        target = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.dup2(target, 1)
            os.dup2(target, 2)
            yield
        finally:
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            for descriptor in (*saved, target):
                os.close(descriptor)

"""What every operator of the engine shares: the engine's database, keys that a run may carry, one way to fail."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
)

from email_engine_airflow.clients import airflow_clients, missing_connection
from email_engine_airflow.pools import step_aside
from email_engine_airflow.run import current_run

if TYPE_CHECKING:
    from email_engine.errors import EngineError
    from email_engine.pipelines.clients import Clients
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class EngineOperator(BaseOperator):
    """One unit of work: a subclass writes `call`, which hands store, run and clients to a pipeline; Airflow calls `execute`.

    A person's mistake (a wrong param, fleet file or connection) fails at once, for a second try would find the same. What may
    be gone in a minute (a host or a database away) is left to Airflow's retries. When no try is left, the cause becomes an
    incident, told once however many tasks meet it; a task that met one and then goes well ends it. A form's mistake is answered
    in the run of who sent it and nobody else is told, and so is every mistake of a dry run; what a guard would refuse is what a
    dry run is asked for: then its task is skipped."""

    def execute(self, context: Any) -> Any:
        step_aside(self.priority_weight)
        with self.answered(context):
            done = self.work(context)
        self.went_well(context)
        return done

    def work(self, context: Any) -> Any:
        """For a subclass that needs more of Airflow than its run; usually `call` is enough."""
        with self.store() as store:
            return self.call(store, current_run(context))

    def call(self, store: "Store", run: "Run") -> Any:
        """The use case; returns small plain JSON."""
        raise NotImplementedError

    @property
    def clients(self) -> "Clients":
        """What the use case talks to beside its database, from Airflow's connections."""
        return airflow_clients()

    def about(self) -> tuple[str, str] | None:
        """What the task works on, as kind and name; None where it is the whole fleet."""
        for kind, attribute in (("host", "mta_host"), ("MailWizz", "instance"), ("tenant", "tenant")):
            name = getattr(self, attribute, None)
            if isinstance(name, str) and name:
                return kind, name
        return None

    @contextmanager
    def store(self) -> "Iterator[Store]":
        """The engine's database as long as the task needs it."""
        from email_engine_airflow.hooks.engine_db import EngineDbHook

        store = EngineDbHook().get_conn()
        try:
            yield store
        finally:
            store.dispose()

    @contextmanager
    def answered(self, context: Mapping[str, Any]) -> Iterator[None]:
        """Refuses a run with unknown keys, and decides what becomes of an error."""
        from email_engine.errors import EngineError, GuardBreach, InputError

        try:
            refuse_unknown_keys(context)
            yield
        except (InputError, GuardBreach) as error:
            if isinstance(error, GuardBreach) and _is_dry(context):
                self._say(error)
                raise AirflowSkipException(f"refused: {error}") from None
            self._say(error)
            self._note(error, context, last=True)
            raise AirflowFailException(str(error)) from error.with_traceback(None)
        except AirflowNotFoundException as error:
            missing = missing_connection(str(error))
            self._say(missing)
            self._note(missing, context, last=True)
            raise AirflowFailException(str(missing)) from error
        except EngineError as error:
            self._say(error)
            self._note(error, context, last=_no_try_left(context))
            raise
        except AirflowException as error:
            # control flow, or a failure that a subclass found hopeless
            if isinstance(error, AirflowFailException) and isinstance(error.__cause__, EngineError):
                self._note(error.__cause__, context, last=True)
            raise
        except Exception as error:
            self._note(_unexpected(error, self.task_id), context, last=_no_try_left(context))
            raise

    def _say(self, error: "EngineError") -> None:
        """In the log above Airflow's own report, whose one line is cut at the window's end."""
        from email_engine.plain_text import error_lines

        self.log.error("%s", error_lines(error))

    def _note(self, error: "EngineError", context: Mapping[str, Any], *, last: bool) -> None:
        """One incident a cause; the one that cannot be written down goes to people directly. Never raises."""
        from datetime import UTC, datetime

        from email_engine.errors import EngineError
        from email_engine.store.engine import DATABASE
        from email_engine.store.telling import alerts, incidents
        from email_engine_airflow.incident import trouble_of

        if not last:
            return
        dry_run = _is_dry(context)
        if error.cause == DATABASE:
            if not dry_run:
                self._database_away(error, context)
            return
        try:
            run = context["dag_run"]
            with self.store() as store, store.session(tenant="*") as conn:
                alerts.set_lock_timeout(conn)
                if dry_run or error.told or _answered_in_the_run(error, run):
                    incidents.answered(conn, run.dag_id, run.run_id, datetime.now(UTC))
                else:
                    trouble = trouble_of(error, context, self.task_id, self.about())
                    incidents.note(conn, trouble, datetime.now(UTC))
        except Exception as second:  # noqa: BLE001 - it must not hide the error that it tells of
            if isinstance(second, EngineError) and second.cause == DATABASE and not dry_run:
                self._database_away(second, context)
            said = second if isinstance(second, EngineError | AirflowException) else type(second).__name__
            self.log.warning("no incident could be noted: %s", said)

    def _database_away(self, error: "EngineError", context: Mapping[str, Any]) -> None:
        from email_engine_airflow.hooks.telegram_alerts import TelegramAlertsHook
        from email_engine_airflow.incident import database_away, task_url

        database_away(error, task_url(context), lambda: TelegramAlertsHook().get_conn(), self.log)

    def went_well(self, context: Mapping[str, Any]) -> None:
        """Ends what this task met in an earlier run. Never raises: the work is done."""
        from datetime import UTC, datetime

        from email_engine.errors import EngineError
        from email_engine.pipelines.trouble import origin
        from email_engine.store.telling import alerts, incidents

        if _is_dry(context):
            return
        try:
            about = self.about()
            dag_id = getattr(context.get("dag_run"), "dag_id", "")
            with self.store() as store, store.session(tenant="*") as conn:
                alerts.set_lock_timeout(conn)
                mine = origin(dag_id, self.task_id, about[1] if about else None)
                incidents.proved_over(conn, mine, datetime.now(UTC))
        except Exception as error:  # noqa: BLE001 - what was done must not fail because of its news
            said = error if isinstance(error, EngineError | AirflowException) else type(error).__name__
            self.log.warning("whether an incident is over could not be noted: %s", said)


def _is_dry(context: Mapping[str, Any]) -> bool:
    return bool((context.get("params") or {}).get("dry_run", False))


def _answered_in_the_run(error: "EngineError", run: Any) -> bool:
    """A form's mistake: whoever sent it reads it there."""
    from email_engine.errors import InputError

    kind = getattr(run, "run_type", "")
    by_hand = str(getattr(kind, "value", kind)) in ("manual", "operator_triggered")
    return by_hand and isinstance(error, InputError) and error.cause is None


def _no_try_left(context: Mapping[str, Any]) -> bool:
    ti = context.get("ti")
    return int(getattr(ti, "try_number", 1)) > int(getattr(ti, "max_tries", 0) or 0)


def _unexpected(error: Exception, task_id: str) -> "EngineError":
    """An error of the engine's own: its text may carry anything, so only its kind is told."""
    from email_engine.errors import EngineError

    return EngineError(
        f"task {task_id}", f"{type(error).__name__}, which the engine did not expect", "no error of its own",
        "open the log; clearing the task is safe; please report it with the log's last lines",
    )  # fmt: skip


def refuse_unknown_keys(context: Mapping[str, Any]) -> None:
    """Raises InputError for a key of the run's `conf` that the DAG has no param for: `dryrun` must not really deploy."""
    from email_engine.errors import InputError
    from email_engine.pipelines.run import INTERNAL_KEYS

    dag, conf = context.get("dag"), getattr(context.get("dag_run"), "conf", None) or {}
    if dag is None or not isinstance(conf, Mapping):
        return
    known = sorted(dag.params)
    unknown = sorted(set(map(str, conf)) - set(known) - set(INTERNAL_KEYS.get(dag.dag_id, ())))
    if not unknown:
        return
    near = {key: get_close_matches(key.lower().replace("-", "_"), known, 1, 0.7) for key in unknown}
    said = "; ".join(
        f"unknown key {key[:60]}" + (f", did you mean {found[0]}?" if found else "")
        for key, found in near.items()
    )
    raise InputError(
        f"conf of this run of {dag.dag_id}",
        said,
        f"the keys {', '.join(known)}",
        "nothing was done; trigger again",
    )

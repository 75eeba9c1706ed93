"""What every operator of the engine shares: the engine's database, keys that a run may carry, one way to fail."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException, AirflowSkipException

if TYPE_CHECKING:
    from email_engine.store.engine import Store


class EngineOperator(BaseOperator):
    """One unit of work: a subclass writes `work`, Airflow calls `execute`.

    A person's mistake (a wrong param, fleet file or connection) fails at once, for a second try would find the same. In a
    dry run it is skipped instead, with the refusal as the first line of its log. What may be gone in a minute (a host or a
    database away) is left to Airflow's retries.

    Args:
        engine_conn_id: Airflow connection of the engine's database."""

    def __init__(self, *, engine_conn_id: str = "email_engine_db", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.engine_conn_id = engine_conn_id

    def execute(self, context: Any) -> Any:
        with self.answered(context):
            return self.work(context)

    @abstractmethod
    def work(self, context: Any) -> Any:
        """The use case; returns small plain JSON."""

    @contextmanager
    def store(self) -> "Iterator[Store]":
        """The engine's database as long as the task needs it."""
        from email_engine_airflow.hooks.engine_db import EngineDbHook

        store = EngineDbHook(self.engine_conn_id).get_conn()
        try:
            yield store
        finally:
            store.dispose()

    @contextmanager
    def answered(self, context: Mapping[str, Any]) -> Iterator[None]:
        """Refuses a run with unknown keys, and decides what becomes of a mistake."""
        from email_engine.errors import EngineError, GuardBreach, InputError

        dry_run = bool((context.get("params") or {}).get("dry_run", False))
        try:
            refuse_unknown_keys(context)
            yield
        except (InputError, GuardBreach) as error:
            if dry_run:
                self.log.warning("%s", error)
                raise AirflowSkipException(f"refused: {error}") from None
            raise AirflowFailException(str(error)) from error
        except AirflowNotFoundException as error:
            missing = missing_connection(str(error))
            raise AirflowFailException(str(missing)) from error
        except EngineError as error:
            if dry_run:
                self.log.warning("%s", error)
            raise


def missing_connection(seen: str) -> "Exception":
    """What a person reads instead of Airflow's "The conn_id `X` isn't defined"."""
    from email_engine.errors import InputError

    name = seen.split("`")[1] if seen.count("`") >= 2 else seen
    return InputError(
        f"Airflow connection {name}",
        "it does not exist",
        "a connection of this name",
        "make it under Admin > Connections, or correct its name in the fleet file",
    )


def refuse_unknown_keys(context: Mapping[str, Any]) -> None:
    """Raises InputError for a key of the run's `conf` that the DAG has no param for: `dryrun` must not really deploy."""
    from email_engine.errors import InputError
    from email_engine_airflow.run import INTERNAL_KEYS

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

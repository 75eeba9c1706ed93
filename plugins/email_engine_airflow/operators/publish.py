"""The last step of a pipeline that others follow: its asset, if this run changed something."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.exceptions import AirflowSkipException

from email_engine_airflow.operators.base import EngineOperator
from email_engine_airflow.run import current_run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from email_engine.pipelines.run import Run


class Publish(EngineOperator):
    """Starts what follows its `outlets` with what this run left in the database; skipped if that is nothing.

    It reads the database, not the tasks' results: after a crash a cleared task still publishes."""

    told_as: ClassVar[str | None]
    """The key of the asset event under which the number is told; None: it is not."""
    nothing: ClassVar[str]

    @abstractmethod
    def left_by(self, conn: "Connection", run: "Run") -> int | None:
        """What the run left, as one number; None for nothing."""

    def work(self, context: Any) -> int:
        run = current_run(context)
        if run.dry_run:
            raise AirflowSkipException("dry run: nothing is published")
        with self.store() as store, store.session(tenant="*") as conn:
            found = self.left_by(conn, run)
        if found is None:
            raise AirflowSkipException(self.nothing)
        for outlet in self.outlets if self.told_as else ():
            context["outlet_events"][outlet].extra = {self.told_as: found}
        return found


class PublishAllowances(Publish):
    """With the fleet version that this run made."""

    told_as, nothing = "fleet_version", "nothing changed"

    def left_by(self, conn: "Connection", run: "Run") -> int | None:
        from email_engine.store.versions import made_by

        return made_by(conn, run.dag_id, run.run_id)


class PublishAccounting(Publish):
    """With the number of accounting files that this run took."""

    told_as, nothing = "files", "no file was taken"

    def left_by(self, conn: "Connection", run: "Run") -> int | None:
        from email_engine.store.accounting.delivery import taken_by

        return taken_by(conn, run.dag_id, run.run_id) or None


class PublishListings(Publish):
    """If this run applied a decision or completed a release; returns the number of decisions."""

    told_as, nothing = None, "nothing changed"

    def left_by(self, conn: "Connection", run: "Run") -> int | None:
        from email_engine.pipelines.rbl_sweep.decide import PIPELINE
        from email_engine.store.stops.listings import applied_in
        from email_engine.store.versions import made_by

        count = applied_in(conn, PIPELINE, run.as_of.isoformat())
        return None if not count and made_by(conn, run.dag_id, run.run_id) is None else count

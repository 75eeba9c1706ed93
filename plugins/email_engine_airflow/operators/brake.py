"""The brake: queues paused and delivery servers disabled at once, read back, kept until released."""

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowNotFoundException

from email_engine_airflow.operators.base import EngineOperator, missing_connection
from email_engine_airflow.operators.brake_halves import (
    CALLED_OFF,
    Files,
    Half,
    Halves,
    all_of,
    each,
    enforce_mailwizz,
    enforce_powermta,
    look,
    push,
    surprise,
)
from email_engine_airflow.run import Run, current_run

if TYPE_CHECKING:
    from email_engine.errors import NotVerified
    from email_engine.store.brakes import Brake
    from email_engine.store.engine import Store


class ApplyBrakes(EngineOperator):
    """Makes one MTA host and the MailWizz servers of its IPs follow the brakes that stand in the database.

    Engaged brakes are put on, and put on again where a reload or a person took them off (then people are told);
    brakes whose release was asked are taken off; both halves are read back. PowerMTA comes first: it alone stops mail
    that is queued. One half being away never keeps the other from holding. What does not hold is named in an alert
    and fails the task, so that Airflow tries again. Where all holds already it costs two commands a host. A release is a
    new fleet version, so that the cap follows also when the host was away and a later run completed it. Brakes of a
    tenant in `observe` are left as they are. Returns `{"host", "held", "released", "failed"}`.

    An IP that left the fleet is held until its virtual MTA is gone from the host's configuration and its server is off;
    then its brake ends by itself. `emergency_stop` with release lets its queue drain before.

    Args:
        mta_host: name of the host in the fleet.
        fails: False where the next look comes soon anyway: the alert is enough.

    Raises:
        NotVerified: one for all brakes of the host that are not complete.
        Unreachable: the engine's database is away; nothing was touched."""

    template_fields = ("mta_host",)

    def __init__(
        self, *, mta_host: str, fails: bool = True, engine_conn_id: str = "email_engine_db", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.mta_host = mta_host
        self.fails = fails
        self.engine_conn_id = engine_conn_id
        self.complete = True

    def work(self, context: Any) -> dict[str, Any]:
        from email_engine.store import brakes
        from email_engine_airflow.hooks.engine_db import EngineDbHook

        run = current_run(context)
        store = EngineDbHook(self.engine_conn_id).get_conn()
        try:
            with store.session(tenant="*") as conn:
                standing = self._governed(brakes.engaged(conn, mta_host=self.mta_host))
            if run.dry_run or not standing:
                self.log.info("%d brakes stand on %s", len(standing), self.mta_host)
                return {"host": self.mta_host, "held": 0, "released": 0, "failed": 0}
            powermta = self._powermta(standing, store)
            mailwizz = self._mailwizz(standing, store, run)
            return self._record(store, standing, powermta, mailwizz, run)
        finally:
            store.dispose()

    def _governed(self, standing: "tuple[Brake, ...]") -> "tuple[Brake, ...]":
        from email_engine.fleet.model import Mode

        left = [brake.vmta for brake in standing if brake.mode is Mode.OBSERVE]
        if left:
            self.log.info("left as they are, their tenant is in observe: %s", ", ".join(left))
        return tuple(brake for brake in standing if brake.mode is not Mode.OBSERVE)

    def _powermta(self, standing: "tuple[Brake, ...]", store: "Store") -> Halves:
        from email_engine.errors import EngineError
        from email_engine_airflow.hooks.powermta import PowerMtaHook

        leaving = [b for b in standing if b.removed and b.host_removed and b.release_asked_at is not None]
        told = f"PowerMTA: {self.mta_host} left the fleet too"
        done = {b.brake_id: Half(True, told, asked=False) for b in leaving}
        rest = [b for b in standing if b.brake_id not in done]
        if not rest:
            return done

        def asked(brake: "Brake") -> bool:
            from email_engine.store import brakes

            with store.session(tenant="*") as conn:
                return brakes.release_still_asked(conn, brake.brake_id)

        left = f" ({self.mta_host} left the fleet)" if rest[0].host_removed else ""
        try:
            with PowerMtaHook(rest[0].connection).get_conn() as mta:
                before = look(mta, rest)
                known = push(mta, before, rest)
                return done | each(
                    rest, "PowerMTA", partial(enforce_powermta, mta, before, known, Files(), asked)
                )
        except EngineError as error:
            return done | all_of(rest, f"PowerMTA{left}", error)
        except AirflowNotFoundException as error:
            return done | all_of(rest, f"PowerMTA{left}", missing_connection(str(error)))
        except Exception as error:
            # one half's surprise keeps the other from nothing
            self.log.exception("PowerMTA on %s", self.mta_host)
            return done | all_of(rest, f"PowerMTA{left}", surprise(f"brake on {self.mta_host}", error))

    def _mailwizz(self, standing: "tuple[Brake, ...]", store: "Store", run: Run) -> Halves:
        from email_engine.errors import EngineError
        from email_engine_airflow.hooks.mailwizz_db import MailwizzDbHook

        leaving = [b for b in standing if b.removed and b.release_asked_at is not None]
        done = {
            b.brake_id: Half(True, f"MailWizz {b.mailwizz}: its server stays as it is", asked=False)
            for b in leaving
        }
        rest = [b for b in standing if b.brake_id not in done]
        for name in sorted({b.mailwizz for b in rest}):
            where, mine = f"MailWizz {name}", [b for b in rest if b.mailwizz == name]
            try:
                with MailwizzDbHook(mine[0].mailwizz_connection).get_conn() as database:
                    done |= each(mine, where, partial(enforce_mailwizz, database, store, run))
            except EngineError as error:
                done |= all_of(mine, where, error)
            except AirflowNotFoundException as error:
                done |= all_of(mine, where, missing_connection(str(error)))
            except Exception as error:
                self.log.exception("%s", where)
                done |= all_of(mine, where, surprise(f"brake on {self.mta_host}", error))
        return done

    def _record(
        self, store: "Store", standing: "tuple[Brake, ...]", powermta: Halves, mailwizz: Halves, run: Run
    ) -> dict[str, Any]:
        from datetime import UTC, datetime

        from email_engine.store import brakes, versions
        from email_engine_airflow.operators.brake_news import Outcome, tell

        now = datetime.now(UTC)
        ids, news = (run.dag_id, run.run_id), 0
        outcomes: list[Outcome] = []
        failed: dict[str, list[str]] = {}
        for brake in standing:
            releasing = brake.release_asked_at is not None
            halves = powermta[brake.brake_id], mailwizz[brake.brake_id]
            stands = all(half.done for half in halves)
            holds = [half.done is not releasing for half in halves]
            told = "; ".join(half.told for half in halves)
            self.log.info("%s of %s: %s", "release" if releasing else "brake", brake.vmta, told)
            with store.session(tenant="*") as conn:
                if not brakes.confirm(conn, brake.brake_id, holds[0], holds[1], told, now):
                    # Another run ended it meanwhile: what was held here anew, the deployment lets go.
                    news = news or versions.bump(conn, f"a brake ended on {self.mta_host}", ids)
                    continue
                over = all(half.gone for half in halves) and brakes.ended(conn, brake.brake_id, now)
                if stands and releasing:
                    if brakes.released(conn, brake.brake_id, now):
                        news = news or versions.bump(conn, f"brakes released on {self.mta_host}", ids)
                    else:
                        stands, halves = False, (CALLED_OFF, CALLED_OFF)
            outcomes.append(Outcome(brake, halves, stands, over))
            for half in halves:
                if not half.done:
                    failed.setdefault(half.told, []).append(brake.vmta)
        tell(store, self.mta_host, outcomes, run)
        missing = self._incomplete(failed, len(standing))
        self.complete = missing is None
        if missing is not None and self.fails:
            raise missing
        if missing is not None:
            self.log.error("%s", missing)
        done = [outcome for outcome in outcomes if outcome.stands]
        let_go = sum(1 for outcome in done if outcome.ends)
        return {
            "host": self.mta_host,
            "held": len(done) - let_go,
            "released": let_go,
            "failed": len({v for those in failed.values() for v in those}),
        }

    def went_well(self, context: Any) -> None:
        """What is not complete is an incident of its own, which this task ends itself."""
        if self.complete:
            super().went_well(context)

    def _incomplete(self, failed: dict[str, list[str]], standing: int) -> "NotVerified | None":
        """One error for all that failed; what many brakes have in common is said once."""
        from email_engine.errors import NotVerified

        if not failed:
            return None
        vmtas = {vmta for those in failed.values() for vmta in those}
        causes = " | ".join(f"{', '.join(those)}: {told}" for told, those in failed.items())
        missing = NotVerified(
            f"brake on {self.mta_host}",
            f"{len(vmtas)} of {standing} not complete: {causes}",
            "queue paused, source disabled and delivery server disabled (released: the opposite), all read back",
            "the task tries again by itself; if the host stays away, stop PowerMTA there or block port 25",
        )
        missing.told = True
        return missing

"""The loop of the demo: a simulated day, the pipelines at their hours, the turns of the scenario."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from stack.dagruns import DagRunner, RunResult
from stack.demo.chronicle import Chronicle, Event
from stack.demo.scenario import Turn
from stack.lab_client import LabClient

HEALTH_DAYS = 7
SWEEP_HOUR = 12
DNS_HOUR = 6
RETRY_HOUR = 11
TURN_HOUR = 10


class Story:
    """Lives through the days. Every signal reaches the engine through accounting files, DNS and the APIs."""

    def __init__(
        self,
        runner: DagRunner,
        lab: LabClient,
        chronicle: Chronicle,
        say: Callable[[str], None],
        stop: threading.Event,
    ) -> None:
        self.runner = runner
        self.lab = lab
        self.chronicle = chronicle
        self.say = say
        self.stop = stop
        self.log: list[Event] = []
        self.failures: list[tuple[datetime, RunResult]] = []
        self.told_until = datetime.min.replace(tzinfo=UTC)

    def live(self, start: datetime, days: int, turns: tuple[Turn, ...]) -> None:
        self.told_until = start - timedelta(days=1)
        for number in range(1, days + 1):
            midnight = start + timedelta(days=number - 1)
            self._night(midnight)
            if number > 1:
                self._tell(number - 1, midnight - timedelta(days=1))
            for hour in range(1, 25):
                self.lab.advance(midnight + timedelta(hours=hour))
                if hour < 24:
                    self._hour(midnight, hour, [t for t in turns if t.day == number])
        self._night(start + timedelta(days=days))
        self._tell(days, start + timedelta(days=days - 1))

    def _night(self, midnight: datetime) -> None:
        """The day is closed: accounting, then decisions, then what follows from them."""
        moment = midnight + timedelta(minutes=1)
        self._run("accounting_ingest", moment)
        decided = self._run("warmup_advance", moment + timedelta(minutes=1))
        self._follow(decided, moment + timedelta(minutes=2), scheduled_sync=True)
        # every 15 minutes in life; here it only shows that nothing was left behind
        if midnight.toordinal() % HEALTH_DAYS == 0:
            self._run("mta_health", moment + timedelta(minutes=14))

    def _hour(self, midnight: datetime, hour: int, turns: list[Turn]) -> None:
        moment = midnight + timedelta(hours=hour)
        if hour == TURN_HOUR:
            for turn in turns:
                self.lab.knob(turn.knob, **turn.arguments)
                self._note(moment, f"LAB: {turn.what}")
        if hour == DNS_HOUR:
            self._run("dns_validate", moment + timedelta(seconds=20))
        if hour == RETRY_HOUR and self.failures and self.failures[-1][0] > midnight:
            self._run("pmta_config_deploy", moment, only_failed=True, watch_minutes=0)
        if hour == SWEEP_HOUR:
            swept = self._run("rbl_sweep", moment + timedelta(seconds=30), confirm_after=0)
            self._follow(swept, moment + timedelta(seconds=50), scheduled_sync=False)

    def _follow(self, cause: RunResult, moment: datetime, scheduled_sync: bool) -> None:
        """What Airflow's scheduler does with assets: deploy and sync start when the cause published something."""
        published = "success" in cause.states("publish")
        if published:
            # a watch takes real minutes, the days here are simulated
            self._run("pmta_config_deploy", moment, watch_minutes=0)
        if published or scheduled_sync:
            self._run("mailwizz_quota_sync", moment + timedelta(seconds=5))

    def _run(self, dag: str, moment: datetime, **conf: object) -> RunResult:
        result = self.runner.run(dag, moment, **conf)
        if self.stop.is_set():
            raise KeyboardInterrupt
        if result.failed:
            self.failures.append((moment, result))
            self._note(moment, f"{dag} failed at {', '.join(result.failed)}")
        return result

    def _note(self, at: datetime, what: str) -> None:
        self.log.append(Event(at, what))
        self.say(f"      {at:%Y-%m-%d %H:%M}  {what}")

    def _tell(self, number: int, midnight: datetime) -> None:
        delivered, bounced, deferred = self.chronicle.sent_on(midnight.date())
        states = ", ".join(f"{n} {state}" for state, n in sorted(self.chronicle.states().items()))
        self.say(
            f"day {number:2d} {midnight:%Y-%m-%d}  delivered {delivered:6,d}  bounced {bounced:4,d}  deferred {deferred:5,d}  | {states}"
        )
        self._tell_events()

    def _tell_events(self) -> None:
        for event in self.chronicle.events(self.told_until):
            self.told_until = max(self.told_until, event.at)
            self._note(event.at, event.what)

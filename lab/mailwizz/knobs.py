"""What a person or a test may turn at a MailWizz of the lab."""

from collections.abc import Callable
from typing import Any

from .auth import REFUSALS
from .config import STATUSES
from .database import Database
from .faults import Faults
from .injection import CampaignEngine
from .protocol import Site
from .quota import QuotaLeft
from .send_log import SendLog
from .warmup import PlanSpec, make_plan


class Knobs:
    """Every public method but `all` is a knob. Each returns what is in force afterwards."""

    def __init__(
        self,
        database: Database,
        site: Site,
        faults: Faults,
        quotas: QuotaLeft,
        sends: SendLog,
        engine: CampaignEngine,
    ) -> None:
        self._database = database
        self._site = site
        self._faults = faults
        self._quotas = quotas
        self._sends = sends
        self._engine = engine

    def all(self) -> dict[str, Callable[..., Any]]:
        names = [name for name in vars(type(self)) if not name.startswith("_") and name != "all"]
        return {name: getattr(self, name) for name in names}

    def offline(self, on: bool = True) -> dict[str, Any]:
        """The API answers 503 Service Unavailable (MailWizz's own offline switch)."""
        self._faults.offline = on
        return {"offline": on}

    def crash(self, calls: int = 1) -> dict[str, Any]:
        """The next calls get a PHP error page: 500 with HTML."""
        self._faults.crashes = calls
        return {"crashes": calls}

    def busy(self, calls: int = 1) -> dict[str, Any]:
        """The next writing calls meet a busy mutex: 409."""
        self._faults.busy_writes = calls
        return {"busy_writes": calls}

    def refuse(self, reason: str | None = "key", status: int = 400) -> dict[str, Any]:
        """Every call is refused: reason params, key, ip, inactive, group, expired, signature; null ends it. Real
        MailWizz says 400; status 401 plays the vendor's documentation."""
        if reason is not None and reason not in REFUSALS:
            raise ValueError(f"reason {reason!r} is none of {', '.join(REFUSALS)}")
        self._faults.refusal, self._faults.auth_status = reason, status
        return {"refusal": reason, "status": status}

    def waf(self, on: bool = True) -> dict[str, Any]:
        """A web server in front that answers 403 to PUT and DELETE."""
        self._faults.waf = on
        return {"waf": on}

    def slow(self, seconds: float = 5.0) -> dict[str, Any]:
        """Every answer waits so long (real seconds)."""
        self._faults.delay_seconds = seconds
        return {"delay_seconds": seconds}

    def plain_numbers(self, on: bool = True) -> dict[str, Any]:
        """Ids and counts as JSON numbers, not as strings."""
        self._site.plain_numbers = on
        return {"plain_numbers": on}

    def save_server(
        self,
        server_id: int,
        hourly_quota: int | None = None,
        daily_quota: int | None = None,
        monthly_quota: int | None = None,
        status: str | None = None,
        probability: int | None = None,
    ) -> dict[str, Any]:
        """The backend form's full save: unlike SQL it also deletes the cached quota-left if a quota changed."""
        if status is not None and status not in STATUSES:
            raise ValueError(f"status {status!r} is none of {', '.join(STATUSES)}")
        quotas = (hourly_quota, daily_quota, monthly_quota)
        saved = self._database.row(
            """UPDATE {delivery_server} SET hourly_quota = coalesce(%s, hourly_quota),
            daily_quota = coalesce(%s, daily_quota), monthly_quota = coalesce(%s, monthly_quota),
            status = coalesce(%s, status), probability = coalesce(%s, probability), last_updated = %s
            WHERE server_id = %s RETURNING server_id, hourly_quota, daily_quota, monthly_quota, status, probability""",
            *quotas,
            status,
            probability,
            self._site.now(),
            server_id,
        )
        if saved is None:
            raise ValueError(f"no delivery server {server_id}")
        if any(quota is not None for quota in quotas):
            self._quotas.forget(server_id)
        return saved

    def clear_cache(self) -> dict[str, Any]:
        """The console command clear-cache: every cached quota-left is gone."""
        self._quotas.forget()
        return {"cleared": True}

    def enforce_quotas(self, on: bool = True) -> dict[str, Any]:
        """Off plays MW_PERF_LVL_DISABLE_DS_QUOTA_CHECK: quotas are ignored."""
        self._quotas.enforced = on
        return {"enforced": on}

    def log_usage(self, on: bool = True) -> dict[str, Any]:
        """Off plays MW_PERF_LVL_DISABLE_DS_LOG_USAGE: sends leave no trace in the usage log."""
        self._sends.logging = on
        return {"logging": on}

    def set_demand(self, campaign: str, daily_demand: int) -> dict[str, Any]:
        """How many messages a UTC day the campaign wants to send."""
        if campaign not in self._engine.campaigns:
            raise ValueError(f"no campaign {campaign!r}; known: {', '.join(self._engine.campaigns)}")
        if daily_demand < 0:
            raise ValueError("daily_demand must be 0 or more")
        self._engine.campaigns[campaign].daily_demand = daily_demand
        return {"campaign": campaign, "daily_demand": daily_demand}

    def set_campaign_status(self, campaign: str, status: str) -> dict[str, Any]:
        """A status as the backend would set it: sending, paused, sent, pending-sending, blocked, draft."""
        query = "UPDATE {campaign} SET status = %s, last_updated = %s WHERE campaign_uid = %s"
        if not self._database.run(query, status, self._site.now(), campaign):
            raise ValueError(f"no campaign {campaign!r}")
        return {"campaign": campaign, "status": status}

    def assign_warmup_plan(
        self,
        server_id: int,
        sending_limit: int = 1000,
        sendings_count: int = 10,
        quota_type: str = "daily",
        strategy: str = "linear",
        limit_type: str = "targeted",
        increment_ratio: int = 50,
    ) -> dict[str, Any]:
        """MailWizz's own warm-up plan, active, on a server: its hourly command now writes the quotas."""
        spec = PlanSpec(sending_limit, sendings_count, quota_type, strategy, limit_type, increment_ratio)
        plan_id = make_plan(self._database, spec, self._site.now())
        query = "UPDATE {delivery_server} SET warmup_plan_id = %s WHERE server_id = %s"
        if not self._database.run(query, plan_id, server_id):
            raise ValueError(f"no delivery server {server_id}")
        return {"server_id": server_id, "plan_id": plan_id}

    def remove_warmup_plan(self, server_id: int) -> dict[str, Any]:
        """The server follows no plan any more; its quotas stay."""
        self._database.run(
            "UPDATE {delivery_server} SET warmup_plan_id = NULL WHERE server_id = %s", server_id
        )
        return {"server_id": server_id, "plan_id": None}

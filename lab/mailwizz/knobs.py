"""What a person or a test may turn at a MailWizz of the lab."""

from collections.abc import Callable
from typing import Any

from .auth import REFUSALS
from .config import InstanceConfig
from .cron import Cron
from .database import Database
from .faults import Faults
from .injection import CampaignEngine
from .protocol import Site
from .quota import QuotaLeft
from .send_log import SendLog
from .server_knobs import ServerKnobs


class Knobs(ServerKnobs):
    """Every public method but `all` is a knob. Each returns what is in force afterwards."""

    def __init__(
        self,
        database: Database,
        site: Site,
        faults: Faults,
        quotas: QuotaLeft,
        sends: SendLog,
        engine: CampaignEngine,
        config: InstanceConfig,
        cron: Cron,
    ) -> None:
        super().__init__(database, site, quotas, config)
        self._faults = faults
        self._sends = sends
        self._engine = engine
        self._cron = cron

    def all(self) -> dict[str, Callable[..., Any]]:
        names = [*vars(type(self)), *vars(ServerKnobs)]
        names = [name for name in names if not name.startswith("_") and name != "all"]
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

    def misroute(self, having: str | None = "") -> dict[str, Any]:
        """A web server in front that has no such page: 404 with HTML to each call whose path or query has `having` ('': to every
        call); null ends it."""
        self._faults.misrouted = having
        return {"misrouted": having}

    def deny(self, having: str | None = None) -> dict[str, Any]:
        """A firewall in front that answers 403 with HTML to each call whose path or query, as sent, has `having`; null ends it."""
        self._faults.denied = having
        return {"denied": having}

    def waf(self, on: bool = True) -> dict[str, Any]:
        """A web server in front that answers 403 to PUT and DELETE."""
        self._faults.waf = on
        return {"waf": on}

    def key_permissions(self, routes: str | None = None) -> dict[str, Any]:
        """The API key may call these routes alone (2.2.9): "delivery-servers/index campaigns/view"; null: all of them."""
        if self._config.version < (2, 2, 9):
            raise ValueError("API keys have permissions since 2.2.9")
        key = {"key": self._config.api_key}
        with self._database.transaction():
            self._database.run(
                "UPDATE {customer_api_key} SET enable_permissions = %s WHERE key = %s",
                "no" if routes is None else "yes", key["key"],
            )  # fmt: skip
            self._database.run(
                "DELETE FROM {customer_api_key_permission}"
                " WHERE key_id IN (SELECT key_id FROM {customer_api_key} WHERE key = %s)",
                key["key"],
            )
            for route in (routes or "").split():
                self._database.run(
                    "INSERT INTO {customer_api_key_permission} (key_id, route)"
                    " SELECT key_id, %s FROM {customer_api_key} WHERE key = %s",
                    route, key["key"],
                )  # fmt: skip
        return {"routes": None if routes is None else routes.split()}

    def stop_cron(self, on: bool = True) -> dict[str, Any]:
        """No console command runs any more: nothing is sent, and their history grows old."""
        self._cron.stopped = on
        return {"stopped": on}

    def slow(self, seconds: float = 5.0) -> dict[str, Any]:
        """Every answer waits so long (real seconds)."""
        self._faults.delay_seconds = seconds
        return {"delay_seconds": seconds}

    def plain_numbers(self, on: bool = True) -> dict[str, Any]:
        """Ids and counts as JSON numbers, not as strings."""
        self._site.plain_numbers = on
        return {"plain_numbers": on}

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

    def set_campaign_hours(
        self, campaign: str, start: str | None = None, end: str | None = None
    ) -> dict[str, Any]:
        """The campaign sends between these hours alone (2.2.0), as 09:00 and 17:30 (UTC here); null: at any time."""
        if self._config.version < (2, 2):
            raise ValueError("campaigns have hours since 2.2.0")
        query = "UPDATE {campaign} SET send_between_start = %s, send_between_end = %s WHERE campaign_uid = %s"
        if not self._database.run(query, start, end, campaign):
            raise ValueError(f"no campaign {campaign!r}")
        return {"campaign": campaign, "start": start, "end": end}

    def set_campaign_status(self, campaign: str, status: str) -> dict[str, Any]:
        """A status as the backend would set it: sending, paused, sent, pending-sending, blocked, draft."""
        query = "UPDATE {campaign} SET status = %s, last_updated = %s WHERE campaign_uid = %s"
        if not self._database.run(query, status, self._site.now(), campaign):
            raise ValueError(f"no campaign {campaign!r}")
        return {"campaign": campaign, "status": status}

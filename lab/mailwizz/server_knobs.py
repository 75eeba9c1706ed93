"""What a person does to delivery servers in MailWizz's backend."""

from typing import Any

from .config import STATUSES, InstanceConfig, ServerSeed
from .database import Database
from .protocol import Site
from .quota import QuotaLeft
from .seed import add_server
from .warmup import PlanSpec, make_plan


class ServerKnobs:
    """Part of `knobs.Knobs`."""

    def __init__(self, database: Database, site: Site, quotas: QuotaLeft, config: InstanceConfig) -> None:
        self._database = database
        self._site = site
        self._quotas = quotas
        self._config = config

    def save_server(
        self,
        server_id: int,
        hourly_quota: int | None = None,
        daily_quota: int | None = None,
        monthly_quota: int | None = None,
        status: str | None = None,
        probability: int | None = None,
    ) -> dict[str, Any]:
        """The backend form's full save: unlike SQL it also deletes the cached quota-left if a quota changed. It refuses a
        server in use."""
        if status is not None and status not in STATUSES:
            raise ValueError(f"status {status!r} is none of {', '.join(STATUSES)}")
        self._refuse_in_use(server_id)
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

    def create_server(
        self,
        hostname: str,
        vmta: str,
        daily_quota: int = 0,
        hourly_quota: int = 0,
        copies: int = 1,
    ) -> list[int]:
        """A delivery server as a person makes it in the backend, active, with the header x-virtual-mta; gives the new ids. copies:
        *Copy* keeps the header, and a copy is disabled."""
        if not 1 <= copies <= 10:
            raise ValueError(f"copies must be 1 to 10, is {copies}")
        made: list[int] = []
        for _ in range(copies):
            newest = self._database.row("SELECT coalesce(max(server_id), 0) AS id FROM {delivery_server}")
            seed = ServerSeed(
                server_id=newest["id"] + 1 if newest else 1, name=vmta, hostname=hostname, vmta=vmta, hourly_quota=hourly_quota,
                daily_quota=daily_quota, monthly_quota=0, probability=100, status="disabled" if made else "active",
            )  # fmt: skip
            add_server(self._database, self._config, seed, self._site.now())
            made.append(seed.server_id)
        return made

    def delete_server(self, server_id: int) -> dict[str, Any]:
        """Deletes a server for good: its usage rows stay, without a server. It refuses a server in use."""
        self._refuse_in_use(server_id)
        if not self._database.run("DELETE FROM {delivery_server} WHERE server_id = %s", server_id):
            raise ValueError(f"no delivery server {server_id}")
        self._quotas.forget(server_id)
        return {"deleted": server_id}

    def _refuse_in_use(self, server_id: int) -> None:
        row = self._database.row("SELECT status FROM {delivery_server} WHERE server_id = %s", server_id)
        if row is not None and row["status"] == "in-use":
            raise ValueError(
                f"delivery server {server_id} is in use: the backend neither edits nor deletes it"
            )

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

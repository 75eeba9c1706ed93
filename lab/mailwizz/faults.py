"""How the API can be made to misbehave."""

from dataclasses import dataclass

from .auth import REFUSALS
from .protocol import Reply, error

CRASH_PAGE = "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>CDbException</h1></body></html>"
DENIED_PAGE = "<html><body><h1>403 Forbidden</h1></body></html>"
NO_PAGE = "<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>"


@dataclass(slots=True)
class Faults:
    """`refusal`: a key of auth.REFUSALS for every call. Counters: how many of the next calls suffer."""

    offline: bool = False
    waf: bool = False
    refusal: str | None = None
    auth_status: int = 400
    crashes: int = 0
    misrouted: str | None = None
    denied: str | None = None
    busy_writes: int = 0
    delay_seconds: float = 0.0

    def before_route(self, method: str, url: str) -> Reply | None:
        """An error page is a Reply with a text body. `url`: path and query, as they were sent."""
        if self.offline:
            return error(503, "Service Unavailable.")
        if self.crashes > 0:
            self.crashes -= 1
            return Reply(500, CRASH_PAGE)
        if self.misrouted is not None and self.misrouted in url:
            return Reply(404, NO_PAGE)
        if self.denied is not None and self.denied in url:
            return Reply(403, DENIED_PAGE)
        if self.waf and method in ("PUT", "DELETE"):
            return Reply(403, DENIED_PAGE)
        return None

    def refused(self, refusal: str | None) -> Reply | None:
        reason = self.refusal or refusal
        return error(self.auth_status, REFUSALS[reason]) if reason else None

    def before_write(self, method: str) -> Reply | None:
        if method != "GET" and self.busy_writes > 0:
            self.busy_writes -= 1
            return error(409, "Unable to acquire the mutex lock, please try again.")
        return None

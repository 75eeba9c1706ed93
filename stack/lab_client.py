"""The lab's control port as a caller sees it."""

from datetime import datetime
from typing import Any

import httpx


class LabClient:
    """Turns knobs, moves a manual clock, reads what the stand-ins know."""

    def __init__(self, control: str) -> None:
        self.http = httpx.Client(base_url=control, timeout=300.0)

    def knob(self, name: str, **arguments: Any) -> Any:
        return self._taken(self.http.post(f"/knobs/{name}", json=arguments))

    def advance(self, to: datetime) -> Any:
        return self._taken(self.http.post("/clock", json={"advance_to": to.isoformat()}))

    def get(self, path: str, **parameters: Any) -> Any:
        return self._taken(self.http.get(path, params=parameters))

    def state(self) -> Any:
        return self.get("/state")

    def _taken(self, answer: httpx.Response) -> Any:
        if answer.status_code >= 400:
            raise RuntimeError(f"the lab refused {answer.request.url.path}: {answer.text[:500]}")
        return answer.json()

"""A DKIM key as the database knows it: never its private half."""

from dataclasses import dataclass
from datetime import datetime

from email_engine.dkim.stages import KeyStage


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`public_key`: base64 of the SPKI, what p= must be; None until it is made. `hosts`: where its file `key_path` was read back.

    Times are aware UTC. `since`: of its stage; `seen_at`: from when on every answer gave its record; `quiet_since`: from when on no host
    signs with it, as far as every one of them could be read."""

    id: int
    tenant: str
    domain: str
    selector: str
    key_path: str
    stage: KeyStage
    since: datetime
    public_key: str | None = None
    bits: int | None = None
    hosts: tuple[str, ...] = ()
    made_at: datetime | None = None
    seen_at: datetime | None = None
    quiet_since: datetime | None = None

    @property
    def record_name(self) -> str:
        """Where its record stands in DNS."""
        return f"{self.selector}._domainkey.{self.domain}"

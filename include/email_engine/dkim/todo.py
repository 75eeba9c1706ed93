"""What a person has to do about the DKIM keys of one tenant, in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from email_engine.dkim.key import SigningKey
from email_engine.dkim.policy import DkimPolicy
from email_engine.dkim.rotation import due_at
from email_engine.dkim.stages import COMING, KeyStage
from email_engine.dnsauth.model import record_text
from email_engine.plural import amount

SHOWN = 15


@dataclass(frozen=True, slots=True)
class Todo:
    """`publish`: records to publish, as a zone file writes them; `held`: what keeps a rotation from going on; `due`: domains whose key is
    due and that nobody rotates."""

    publish: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    due: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.publish or self.held or self.due)

    @property
    def urgent(self) -> bool:
        """Does a rotation wait for a person?"""
        return bool(self.publish or self.held)


def todo_of(
    keys: Sequence[SigningKey],
    domains: Iterable[str],
    now: datetime,
    policy: DkimPolicy,
    held: Mapping[str, str],
) -> Todo:
    """Of the keys of domains that send; `held`: a host or a record to why it holds something up."""
    mine = set(domains)
    keys = [key for key in keys if key.domain in mine]
    busy = {key.domain for key in keys if key.stage in COMING}
    due = [
        k.domain
        for k in keys
        if k.stage is KeyStage.SIGNING and due_at(k, policy) <= now and k.domain not in busy
    ]
    wanted = tuple(record_to_publish(key) for key in keys if key.stage in (KeyStage.MADE, KeyStage.REVOKING))
    return Todo(wanted, tuple(f"{what}: {why}" for what, why in sorted(held.items())), tuple(due))


def record_to_publish(key: SigningKey) -> str:
    """The TXT record that belongs to a key now: its public half, or an empty p= where it is to be revoked."""
    gone = key.stage in (KeyStage.REVOKING, KeyStage.REVOKED)
    value = "v=DKIM1; p=" if gone else f"v=DKIM1; k=rsa; p={key.public_key}"
    return record_text(key.record_name, "TXT", value)


def todo_text(tenant: str, todo: Todo) -> str:
    """The message: its first line says what there is to do."""
    parts = []
    if todo.publish:
        parts.append(f"{amount(len(todo.publish), 'DKIM record')} to publish")
    if todo.held:
        parts.append("a DKIM rotation cannot go on")
    if todo.due:
        parts.append(f"{amount(len(todo.due), 'DKIM key')} due for rotation")
    lines = [f"{tenant}: {', '.join(parts)}"]
    lines += [f"Publish: {record}" for record in todo.publish[:SHOWN]]
    lines += _more(todo.publish)
    lines += [f"Held up: {why}" for why in todo.held[:SHOWN]]
    lines += _more(todo.held)
    if todo.due:
        names = ", ".join(todo.due[:SHOWN]) + (
            f" and {len(todo.due) - SHOWN} more" if len(todo.due) > SHOWN else ""
        )
        lines.append(f"Due: {names}. Next: trigger dkim_rotate with action `start due`.")
    if todo.urgent:
        lines.append(
            "What is published is found by itself within a day; nothing signs with a key before that."
        )
    return "\n".join(lines)


def _more(items: Sequence[str]) -> list[str]:
    return [f"and {len(items) - SHOWN} more: `email-engine dkim keys`"] if len(items) > SHOWN else []

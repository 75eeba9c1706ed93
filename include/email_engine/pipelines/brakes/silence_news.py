"""What people are told of the silence of MailWizz after a stop."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from email_engine.mailer.silence import Heard, Silence
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store.stops.brakes import BY_HAND, Brake
from email_engine.store.telling.alerts import News

EVENT = "silence"
SETTLED = (Heard.SILENT, Heard.UNKNOWN)
NAMED = 10


@dataclass
class Listened:
    """Of one server of one brake: what is new (None: it hands over as it was told before), and what was done about it."""

    brake: Brake
    silence: Silence
    heard: Heard | None
    paused: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def own(self) -> bool:
        """Is it the IP's server, no copy?"""
        return self.brake.mailwizz_server_id in (None, self.silence.server_id)


def silence_news(host: str, found: Sequence[Listened], run: Run) -> Iterable[News]:
    """Who is silent, of whom it is not known, and a message for each server that goes on."""
    by_hand = run.dag_id == BY_HAND
    silent = [one for one in found if one.heard is Heard.SILENT]
    if silent:
        late = sum(one.silence.handed_over for one in silent)
        ips = len({one.brake.brake_id for one in silent})
        lines = [
            f"MailWizz is silent for {amount(ips, 'stopped IP')} of {host}: two minutes without a message"
        ]
        lines.append(f"{amount(late, 'message')} went out after the servers were switched off")
        lines += [_line(one) for one in silent if one.silence.handed_over][:NAMED]
        yield _one(f"{host} silent", lines, "info", run, quiet=not (by_hand or late))
    unknown = [one for one in found if one.heard is Heard.UNKNOWN]
    if unknown:
        lines = [
            f"Whether MailWizz is silent for {amount(len(unknown), 'stopped IP')} of {host} is not known: its usage log has no message of "
            f"{'its server' if len(unknown) == 1 else 'their servers'} in the day before the stop",
            *(f"{one.brake.name}: server {one.silence.server_id}" for one in unknown[:NAMED]),
            "PowerMTA holds it: nothing leaves the host. Next: nothing where nothing was sent through it; else see in MailWizz that no worker "
            "goes on, and give the server quotas, for MailWizz logs no message of one without",
        ]
        yield _one(f"{host} not known", lines, "info", run, quiet=not by_hand)
    for one in found:
        if one.heard in SETTLED:
            continue
        heard, server = one.heard or one.silence.told, one.silence.server_id
        began = f"{one.silence.began_at:%Y-%m-%d %H:%M} UTC"
        lines = [
            f"MailWizz {heard} for {one.brake.name}, "
            + (f"whose server {server}" if one.own else f"whose virtual MTA server {server} names too, which")
            + f" is off since {began}",
            _line(one),
        ]
        lines += (
            [f"Paused: {', '.join(one.paused[:NAMED])}; they go on when the stop is over"]
            if one.paused
            else []
        )
        lines += [f"Not paused: {'; '.join(one.refused[:NAMED])}"] if one.refused else []
        lines.append(
            "PowerMTA holds it: nothing leaves the host. Next: see in MailWizz which worker goes on; "
            + (
                "pause its campaigns there."
                if one.refused or not one.paused
                else "end it where it does not stop."
            )
        )
        thing = f"{one.brake.address} {heard}" if one.own else f"{one.brake.address} server {server} {heard}"
        yield _one(thing, lines, "critical", run, tenant=one.brake.tenant)


def _line(one: Listened) -> str:
    by = "" if one.own else f" by server {one.silence.server_id}"
    return f"{one.brake.name}: {amount(one.silence.handed_over, 'message')} handed to PowerMTA{by} since, which holds them"


def _one(
    thing: str,
    lines: Sequence[str],
    severity: str,
    run: Run,
    quiet: bool | None = None,
    tenant: str | None = None,
) -> News:
    return News(EVENT, thing, run.run_id, severity, "\n".join(lines), tenant, run.dag_id, run.run_id, quiet)

"""What stands in a virtual MTA and has no place in the fleet file."""

from collections import Counter
from collections.abc import Mapping

from email_engine.adoption.gaps import Gaps, printable
from email_engine.adoption.reading import VMTA, Found, Setting

_ROUTING = frozenset(
    {
        "queue-to",
        "route",
        "smtp-hosts",
        "type",
        "auth-username",
        "auth-password",
        "reroute-to-virtual-mta",
        "backoff-reroute-to-virtual-mta",
        "discard-as-bounce",
        "file-destination",
        "command",
        "http-delivery-url",
        "default-smtp-port",
        "bcc-upon-delivery",
    }
)
"""Settings of a <domain> that lead mail elsewhere; what only limits it is the deployment policy's business."""
_READ = frozenset(
    {
        *("smtp-source-host", "host-name", "domain-key", "max-smtp-msg-rate", "include", "cold-virtual-mta"),
        *("use-proxy", "smtp-proxy-source-host", "proxy-protocol"),
    }
)
_LIMITS = frozenset({"max-smtp-out"})
COLD = "max-cold-virtual-mta-msg"


def tell_leftovers(vmta: Found, vmtas: Mapping[str, Found], gaps: Gaps, limits: Counter[str]) -> None:
    """Tells of all but address, key and cap; `limits` counts what the deployment policy is to decide from now on."""
    cold = vmta.all("cold-virtual-mta")
    for setting in cold:
        unknown = "" if setting.value in vmtas else "; that one does not exist"
        why = f"PowerMTA's own warm-up: the first messages of a day for each domain go out by the cold one{unknown}"
        todo = f"the engine warms by allowances: give {printable(setting.value)} the state warming; this line ends"
        gaps.add(setting.place, f"{vmta.name}: cold-virtual-mta {setting.value}", why, todo)
    for setting in vmta.settings:
        if not setting.right or setting.name in _READ:
            continue
        if setting.name in _LIMITS:
            limits[setting.name] += 1
            continue
        why = f"the engine writes no {setting.name} into a virtual MTA"
        todo = "does this IP work without it? Else keep its virtual MTA out of the fleet"
        gaps.alike(setting.place, f"{vmta.name}: {setting.name} ...", why, todo, (VMTA, setting.name))
    for pattern, setting in vmta.domains:
        _in_domain(vmta, pattern, setting, bool(cold), gaps, limits)


def _in_domain(
    vmta: Found, pattern: str, setting: Setting, pair: bool, gaps: Gaps, limits: Counter[str]
) -> None:
    text = f"{vmta.name}: {setting.name} in <domain {pattern}>"
    if setting.name == COLD and not pair:
        why = "is no cap, and does nothing without cold-virtual-mta"
        todo = "the cap of an IP is max-smtp-msg-rate N/d, which the engine writes by daily_target"
        gaps.alike(setting.place, text, why, todo, (VMTA, COLD))
    elif setting.name in _ROUTING:
        why = "leads mail elsewhere; the engine writes no such line"
        todo = "put it into a global <domain> of your own configuration, or keep this virtual MTA out of the fleet"
        gaps.alike(setting.place, text, why, todo, (VMTA, "domain", setting.name))
    elif setting.right and setting.name != COLD:
        limits[setting.name] += 1

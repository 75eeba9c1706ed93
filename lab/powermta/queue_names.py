"""Queue names: `domain/vmta`, with `*` as a wildcard on both sides."""

import re
from functools import lru_cache

from lab.powermta.config_model import DEFAULT_VMTA


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    domain, slash, vmta = pattern.partition("/")
    full = f"{domain}/{vmta}" if slash else f"{domain}/{DEFAULT_VMTA}"
    return re.compile(".*".join(re.escape(part) for part in full.split("*")), re.IGNORECASE)


def covers(pattern: str, queue: str) -> bool:
    """Whether the pattern names the queue. Without `/vmta` it means the queue of the nameless VMTA."""
    return _compiled(pattern).fullmatch(queue) is not None

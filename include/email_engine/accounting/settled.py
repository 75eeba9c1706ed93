"""Whether an accounting file is finished, told by its times alone."""

CLOCK_SLACK = 5
"""Seconds that the clock of a host may be seen wrong: times of files are whole seconds."""


def is_young(modified: int, now: float, quiet_seconds: int) -> bool:
    """Somebody may still write to a file that was modified so lately. Both times by the host's own clock (Unix seconds); a file
    from its future was given that time, which says nothing."""
    return -CLOCK_SLACK <= now - modified < quiet_seconds

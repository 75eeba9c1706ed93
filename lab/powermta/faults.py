"""What a person has set to go wrong. Read by the SSH server and the commands, set by the knobs."""

from dataclasses import dataclass


@dataclass(slots=True)
class Faults:
    """All off by default. Times in seconds; `reload_failures` counts down."""

    test_config_refusal: str = ""
    reload_failures: int = 0
    hang_seconds: float = 0.0
    hang_command: str = ""
    slow_seconds: float = 0.0
    command_missing: bool = False
    disk_full: bool = False
    permission_denied: bool = False
    disk_free_percent: float | None = None

    def delay(self, command: str) -> float:
        """How long a command line keeps its caller waiting."""
        hangs = self.hang_seconds if not self.hang_command or self.hang_command in command else 0.0
        return self.slow_seconds + hangs

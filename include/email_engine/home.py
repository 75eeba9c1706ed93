"""Where the project's data files live, and which fleet file is in force."""

import os
from pathlib import Path

ROOT = Path(os.environ.get("EMAIL_ENGINE_HOME") or Path(__file__).resolve().parents[2])
CONFIG = ROOT / "include" / "config"
TEMPLATES = ROOT / "templates"


def fleet_path() -> Path:
    """The fleet file: `EMAIL_ENGINE_FLEET`, or the example that the project ships."""
    return Path(os.environ.get("EMAIL_ENGINE_FLEET") or CONFIG / "fleet.yaml")


def config_history_path() -> Path:
    """The git repository of deployed configurations: `EMAIL_ENGINE_CONFIG_HISTORY`, or in the folder of this copy's state."""
    given = os.environ.get("EMAIL_ENGINE_CONFIG_HISTORY")
    return (
        Path(given)
        if given
        else Path(os.environ.get("EMAIL_ENGINE_STATE") or ROOT / ".engine") / "config-history"
    )

"""Where the project's data files live (in a clone, in `EMAIL_ENGINE_HOME`, or in the installed package), and which fleet
file is in force."""

import os
from pathlib import Path

_PACKAGED = Path(__file__).resolve().parent / "data"
"""What a wheel carries; a clone has the same in two folders of its own."""
_HOME = os.environ.get("EMAIL_ENGINE_HOME")
_CLONE = Path(_HOME) if _HOME else Path(__file__).resolve().parents[2]
INSTALLED = not _HOME and _PACKAGED.is_dir()
ROOT = _PACKAGED if INSTALLED else _CLONE
CONFIG = ROOT / "config" if INSTALLED else ROOT / "include" / "config"
TEMPLATES = ROOT / "templates"


def fleet_path() -> Path:
    """The fleet file: `EMAIL_ENGINE_FLEET`, or the example that the project ships."""
    return Path(os.environ.get("EMAIL_ENGINE_FLEET") or CONFIG / "fleet.yaml")


def config_history_path() -> Path:
    """The git repository of deployed configurations: `EMAIL_ENGINE_CONFIG_HISTORY`, or in the folder of this copy's state."""
    given = os.environ.get("EMAIL_ENGINE_CONFIG_HISTORY")
    return Path(given) if given else _state() / "config-history"


def hygiene_path() -> Path:
    """The folder of addresses with a finding: `EMAIL_ENGINE_HYGIENE`, or in the folder of this copy's state."""
    given = os.environ.get("EMAIL_ENGINE_HYGIENE")
    return Path(given) if given else _state() / "hygiene"


def _state() -> Path:
    given = os.environ.get("EMAIL_ENGINE_STATE")
    if given:
        return Path(given)
    if not INSTALLED:
        return ROOT / ".engine"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "email-engine"

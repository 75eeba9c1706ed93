"""docker-compose.yaml as Compose reads it: anchors merged, variables filled in."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yaml"
USER = {"EMAIL_ENGINE_UID": "1000"}
VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:[-?])([^}]*))?\})")


class VariableMissing(Exception):
    """`${NAME:?text}` without a value."""


def fill_in(value: Any, environment: Mapping[str, str]) -> Any:
    """Compose's `$$`, `${A}`, `${A:-default}` and `${A:?text}` in every text of a tree. VariableMissing as Compose refuses."""
    if isinstance(value, dict):
        return {key: fill_in(each, environment) for key, each in value.items()}
    if isinstance(value, list):
        return [fill_in(each, environment) for each in value]
    return VARIABLE.sub(lambda m: _value(m, environment), value) if isinstance(value, str) else value


def _value(match: re.Match[str], environment: Mapping[str, str]) -> str:
    dollar, name, how, text = match.groups()
    if dollar:
        return "$"
    if given := environment.get(name):
        return given
    if how == ":?":
        raise VariableMissing(f"{name} {text}")
    return text or ""


def load(environment: Mapping[str, str] = USER) -> dict[str, Any]:
    return fill_in(yaml.safe_load(FILE.read_text()), environment)


def variables() -> set[str]:
    """Every variable of the host that the file asks for."""
    return {match[1] for match in VARIABLE.findall(FILE.read_text()) if match[1]}


def texts(value: Any) -> Iterator[str]:
    """Every text in a tree, keys left out."""
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def script_lines(service: Mapping[str, Any]) -> list[str]:
    """The commands of a service that runs a script in bash."""
    words = service["command"]
    assert words[:2] == ["bash", "-euc"], "a failed step must end the script"
    return [line.strip() for line in words[2].splitlines() if line.strip()]

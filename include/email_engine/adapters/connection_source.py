"""Connections outside of Airflow: `AIRFLOW_CONN_*` variables, or a file in the form of its local-filesystem secrets backend."""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import yaml

from email_engine.adapters.connection_fields import Fields
from email_engine.errors import InputError

FILE = "EMAIL_ENGINE_CONNECTIONS"
VARIABLE = "AIRFLOW_CONN_"
_FORM = "a mapping of connection id to its fields (conn_type, host, port, login, password, schema, extra) or to its URI"
_NEXT = (
    f"give it in {VARIABLE}..., or in the file that {FILE} names (docs/operating.md, `When Airflow is down`)"
)


class ConnectionSource:
    """Looks in the environment first, as Airflow does, then in the file.

    Raises InputError for a file that others may read or that cannot be understood; its contents are never shown."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        name = environment.get(FILE)
        self._file = _read(Path(name)) if name else {}

    def __contains__(self, name: str) -> bool:
        return f"{VARIABLE}{name.upper()}" in self._environment or name in self._file

    def fields(self, name: str) -> Fields:
        """Raises InputError for a connection that is nowhere or malformed."""
        given: Any = self._environment.get(f"{VARIABLE}{name.upper()}")
        given = given if given is not None else self._file.get(name)
        if given is None:
            raise InputError(f"connection {name}", "it does not exist", "a connection of this name", _NEXT)
        try:
            if isinstance(given, str):
                return _of_text(name, given.strip())
            return _of_mapping(name, given)
        except (ValueError, TypeError, AttributeError):
            raise InputError(
                f"connection {name}",
                "it cannot be understood",
                "its fields as JSON, or a URI",
                "write it anew",
            ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        mode = path.stat().st_mode
        if stat.S_IMODE(mode) & 0o077:
            raise InputError(
                str(path),
                f"mode {stat.S_IMODE(mode):o}: others may read its passwords",
                "mode 600",
                f"chmod 600 {path}",
            )
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "no text"
        raise InputError(str(path), why, "a file of connections", f"correct {FILE}") from None
    except yaml.YAMLError:
        raise InputError(str(path), "no JSON or YAML", _FORM, "write it anew") from None
    if not isinstance(found, dict):
        raise InputError(str(path), "no mapping", _FORM, "write it anew")
    return found


def _of_text(name: str, text: str) -> Fields:
    if text.startswith("{"):
        return _of_mapping(name, json.loads(text))
    url = urlsplit(text)
    if not url.scheme:
        raise ValueError("no scheme")
    query = dict(parse_qsl(url.query))
    extra = json.loads(query.pop("__extra__", "{}")) | query
    return Fields(
        name=name,
        kind=url.scheme.replace("-", "_"),
        host=unquote(url.hostname or "") or None,
        port=url.port,
        login=unquote(url.username) if url.username else None,
        password=unquote(url.password) if url.password else None,
        schema=unquote(url.path.lstrip("/")) or None,
        extra=extra,
    )


def _of_mapping(name: str, given: Mapping[str, Any]) -> Fields:
    extra = given.get("extra") or given.get("extra_dejson") or {}
    if isinstance(extra, str):
        extra = json.loads(extra)
    port = given.get("port")
    return Fields(
        name=name,
        kind=str(given.get("conn_type") or ""),
        host=given.get("host"),
        port=int(port) if port else None,
        login=given.get("login"),
        password=given.get("password"),
        schema=given.get("schema"),
        extra=dict(extra),
    )

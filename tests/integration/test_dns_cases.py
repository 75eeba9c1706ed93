"""`email-engine dns` against zones of every kind: right, wrong, lying and silent. One YAML document a case, in dns_cases/.

`zones` as tests/zone_server.py has them. `cmd` is the command. `want`: a path into the JSON (`spf.valid`), `rc` the exit code,
`observed:ID` a text within what a finding says, `status:ID` the statuses of that finding, `has:TEXT` whether it stands in any
finding. `{rsa2048}`, `{pkcs1}` and so on stand for keys, `{rsa2048:0:200}` for a part of one."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from email_engine.cli import main
from tests.dkim_keys import KEYS
from tests.dns_lab import PATIENCE
from tests.zone_server import ZoneAnswers, ZoneServer, zone_server

FOLDER = Path(__file__).parent / "dns_cases"
_KEY = re.compile(r"\{(\w+)(?::(\d*):(\d*))?\}")


def cases() -> Iterator[Any]:
    for file in sorted(FOLDER.glob("*.yaml")):
        for case in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            yield pytest.param(case, id=f"{file.stem}: {case['title']}".encode("ascii", "replace").decode())


def filled(value: Any) -> Any:
    """The value with keys in place of their names, through lists and tables."""
    if isinstance(value, dict):
        return {filled(name): filled(part) for name, part in value.items()}
    if isinstance(value, list):
        return [filled(part) for part in value]
    return _KEY.sub(_part, value) if isinstance(value, str) else value


def _part(found: re.Match[str]) -> str:
    name, first, last = found.groups()
    if name not in KEYS:
        return found.group()
    return KEYS[name][int(first) if first else None : int(last) if last else None]


def said(key: str, wanted: Any, code: int, out: Any) -> Any:
    """What the command says about `key`."""
    findings = [f for part in out.values() if isinstance(part, dict) for f in part.get("findings", ())]
    kind, _, about = key.partition(":")
    match kind:
        case "rc":
            return code
        case "has":
            return any(about in str(text) for finding in findings for text in finding.values())
        case "status":
            return [f["status"] for f in findings if f["check_id"] == about]
        case "observed":
            seen = [f["observed"] for f in findings if f["check_id"] == about]
            return wanted if any(wanted in text for text in seen) else seen
    for part in key.split("."):
        out = out[part]
    return out


@pytest.fixture(scope="module")
def server() -> Iterator[ZoneServer]:
    with zone_server() as running:
        yield running


def asked(server: ZoneServer, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    patience = [f"--{name}={value}" for name, value in PATIENCE.items()]
    code = main([*words, "--json", "--resolver", f"127.0.0.1:{server.port}", *patience])
    text = capsys.readouterr().out
    return code, json.loads(text) if text else {}


@pytest.mark.parametrize("case", list(cases()))
def test_the_command_says_what_is_right(
    case: dict[str, Any], server: ZoneServer, capsys: pytest.CaptureFixture[str]
) -> None:
    case = filled(case)
    server.use(ZoneAnswers(case["zones"]))
    code, out = asked(server, capsys, *map(str, case["cmd"]))
    assert {key: said(key, wanted, code, out) for key, wanted in case["want"].items()} == case["want"]
    assert (code == 2) == (out == {})


def test_a_dead_resolver_leaves_everything_open_with_a_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    with zone_server() as gone:
        port = gone.port
    words = ("dns", "h.test", "--ip", "198.51.100.7", "--selector", "s1")
    code = main([*words, "--json", "--resolver", f"127.0.0.1:{port}", "--timeout=0.3", "--tries=1"])
    out = json.loads(capsys.readouterr().out)
    assert code == 1
    assert {out[group]["valid"] for group in ("spf", "dkim", "dmarc", "ptr", "mx")} == {None}
    assert (out["ready"]["valid"], set(out["ready"]["receivers"].values())) == (None, {None})
    for group in ("spf", "dkim", "dmarc", "ptr", "mx", "extras"):
        assert {f["status"] for f in out[group]["findings"]} == {"unknown"}
        assert all("publish nothing yet; " in f["remedy"] for f in out[group]["findings"])

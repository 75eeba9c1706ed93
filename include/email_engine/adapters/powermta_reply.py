"""What `pmta --json` and `pmta --xml` print, read tolerantly: key names vary between releases, status does not."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from email_engine.pmta.release import Release, find_release

SOURCE_KEYS = ("ip", "source", "sourceip", "address", "localip")
QUEUE_KEYS = ("queue", "name", "domain")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `ok` is None where the output carries no status (plain text)."""

    ok: bool | None
    data: Any
    message: str


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue `domain/vmta`. `paused` and `mode` are None where the output does not tell them.

    `retries`: PowerMTA names a time of the next attempt, thus the last one failed."""

    name: str
    recipients: int
    paused: bool | None
    mode: str | None
    retries: bool = False

    @property
    def vmta(self) -> str:
        return self.name.rpartition("/")[2]

    @property
    def domain(self) -> str:
        """The recipient domain or the roll-up, in lower case."""
        return self.name.rpartition("/")[0].lower()


@dataclass(frozen=True, slots=True)
class DisabledSource:
    """A source IP that delivers nothing to `queue` (`*/vmta` or `domain/vmta`)."""

    address: str
    queue: str


def parse_reply(text: str) -> Reply:
    """JSON `{"data","status","message"}`, XML `<rsp><data/><succ/></rsp>`, or plain text (data is the text)."""
    stripped = text.strip()
    if stripped.startswith("{"):
        try:
            body = json.loads(stripped)
        except ValueError:
            return Reply(False, None, "the JSON breaks off or is broken")
        status = str(body.get("status", "")).lower()
        return Reply(status == "success", body.get("data", {}), str(body.get("message") or ""))
    if stripped.startswith("<"):
        return _parse_xml(stripped)
    return Reply(None, stripped, stripped)


def _parse_xml(text: str) -> Reply:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return Reply(False, None, "the XML carries a document type")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 (no entities: refused above)
    except ElementTree.ParseError as error:
        return Reply(False, None, f"the XML is broken: {error}")
    data = root.find("data")
    message = " ".join("".join(e.itertext()).strip() for e in root if e.tag not in ("data", "succ")).strip()
    return Reply(root.find("succ") is not None, _tree(data) if data is not None else {}, message)


def _tree(element: ElementTree.Element) -> Any:
    children = list(element)
    if not children:
        return (element.text or "").strip()
    out: dict[str, Any] = {}
    for child in children:
        value = _tree(child)
        if child.tag in out:
            seen = out[child.tag]
            out[child.tag] = [*seen, value] if isinstance(seen, list) else [seen, value]
        else:
            out[child.tag] = value
    return out


def walk(data: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping in the answer, outermost first."""
    if isinstance(data, Mapping):
        yield data
        for value in data.values():
            yield from walk(value)
    elif isinstance(data, list):
        for value in data:
            yield from walk(value)


def flag(value: Any) -> bool | None:
    """`true`, `1`, `yes`, `paused` and their opposites; None for anything else."""
    text = str(value).strip().lower()
    if text in ("true", "1", "yes", "paused", "on"):
        return True
    return False if text in ("false", "0", "no", "off", "none", "") and value is not None else None


def parse_queues(data: Any) -> tuple[Queue, ...]:
    """Mappings with a `name` of the form `domain/vmta`, in the order printed."""
    return tuple(
        Queue(
            name=str(item["name"]),
            recipients=int(float(str(item.get("rcp", item.get("recipients", 0)) or 0))),
            paused=flag(item["paused"]) if "paused" in item else None,
            mode=str(item["mode"]).lower() if item.get("mode") else None,
            retries=bool(str(item.get("retryTime") or "").strip()),
        )
        for item in walk(data)
        if "/" in str(item.get("name", ""))
    )


def parse_disabled_sources(data: Any) -> tuple[DisabledSource, ...]:
    """From JSON or XML mappings that hold an address and a queue, or from text lines `IP QUEUE`."""
    if isinstance(data, str):
        found = re.findall(r"(?m)^\s*\"?([0-9a-fA-F.:]+)\"?[\s,]+\S*?([^\s/]+/[^\s,]+)", data)
        return tuple(DisabledSource(ip, queue) for ip, queue in found)
    out = []
    for item in walk(data):
        lowered = {str(k).lower().replace("-", "").replace("_", ""): v for k, v in item.items()}
        address = next((str(lowered[k]) for k in SOURCE_KEYS if isinstance(lowered.get(k), str)), None)
        queue = next((str(lowered[k]) for k in QUEUE_KEYS if isinstance(lowered.get(k), str)), None)
        if address and queue:
            vmta = lowered.get("vmta")
            out.append(DisabledSource(address, f"{queue}/{vmta}" if vmta and "/" not in queue else queue))
    return tuple(out)


def parse_version(data: Any) -> str | None:
    """`5.0r5` out of `show version` or `show status`."""
    for item in walk(data):
        if isinstance(item.get("version"), str) and Release.read(item["version"]):
            return str(item["version"]).strip()
    texts = [data] if isinstance(data, str) else [str(v) for item in walk(data) for v in item.values()]
    return find_release(" ".join(texts))


def parse_settings(data: Any) -> dict[str, Any]:
    """A settings answer as a dict; text lines `key value` and `key = value` work too."""
    if isinstance(data, Mapping):
        return dict(data)
    out: dict[str, Any] = {}
    for line in str(data).splitlines():
        words = line.strip().replace("=", " ", 1).split(None, 1) if line.strip() else []
        if len(words) == 2 and not words[0].startswith(("<", "#")):
            seen = out.get(words[0])
            out[words[0]] = f"{seen}, {words[1]}" if seen else words[1].strip().strip('"')
    return out

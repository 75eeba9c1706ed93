"""The four ways in which `pmta` answers: text, --xml, --dom and --json."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

_ONE_OF = {
    "queues": "queue",
    "vmtas": "vmta",
    "domains": "domain",
    "disabledSources": "disabledSource",
    "errors": "event",
    "jobs": "job",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found: `data` for programs, `text` for people; `error` makes it fail."""

    data: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """What the caller gets."""

    status: int
    stdout: str = ""
    stderr: str = ""


def render_answer(answer: Answer, form: str) -> Output:
    """`form` is xml, dom, json or text."""
    status = 1 if answer.error else 0
    if form == "json":
        body = {
            "data": answer.data,
            "status": "error" if answer.error else "success",
            "message": answer.error or ("" if answer.data else answer.text),
        }
        return Output(status, json.dumps(body) + "\n")
    if form == "xml":
        end = f"<error>{escape(answer.error)}</error>" if answer.error else "<succ/>"
        return Output(status, f"<rsp><data>{''.join(_xml(answer.data))}</data>{end}</rsp>\n")
    if answer.error:
        return Output(status, "", answer.error + "\n")
    if form == "dom":
        return Output(0, "".join(f'{path}="{value}"\n' for path, value in _dom(answer.data, "")))
    return Output(0, answer.text.rstrip("\n") + "\n" if answer.text else "")


def _plain(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _items(value: object) -> Sequence[Any] | None:
    return value if isinstance(value, list | tuple) else None


def _xml(data: Mapping[str, Any]) -> Iterator[str]:
    for name, value in data.items():
        tag = _ONE_OF.get(name, name)
        for one in [value] if _items(value) is None else value:
            inside = "".join(_xml(one)) if isinstance(one, Mapping) else escape(_plain(one))
            yield f"<{tag}>{inside}</{tag}>"


def _dom(data: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        path = prefix + _ONE_OF.get(name, name)
        several = _items(value)
        for number, one in enumerate([value] if several is None else several):
            here = path if several is None else f"{path}[{number}]"
            if isinstance(one, Mapping):
                yield from _dom(one, here + ".")
            else:
                yield here, _plain(one)

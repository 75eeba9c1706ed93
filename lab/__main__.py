"""`python -m lab`: run a lab, or look at and turn the knobs of one that runs."""

import argparse
import asyncio
import gc
import json
import logging
import os
import re
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx

from lab.ports import LOOPBACK, fill_ports
from lab.shown import render_messages, render_queues
from lab.world import WorldError, parse_world, read_world

WHERE_STACK_WRITES = Path(os.environ.get("EMAIL_ENGINE_STATE") or ".engine") / "lab.json"
PATIENCE = 600.0


class CommandError(RuntimeError):
    """The command cannot be carried out; the text says why and what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 the lab or the knob refused, 2 usage or a bad world."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "run":
            return _run(options)
        status = _ask(options)
        sys.stdout.flush()
        return status
    except WorldError as error:
        print(error, file=sys.stderr)
        return 2
    except CommandError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab", description="The stand-ins that email-engine is tried on."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a lab until SIGTERM or Ctrl-C")
    run.add_argument("world", type=Path, help="WORLD.json")
    run.add_argument(
        "--with-parent", action="store_true", help="stop when the process that started it is gone"
    )
    run.add_argument(
        "--bind",
        type=_address,
        default=LOOPBACK,
        metavar="ADDRESS",
        help=f"IPv4 address on which all parts listen (default {LOOPBACK}: this machine alone)",
    )
    run.add_argument(
        "--control-name",
        type=_name,
        action="append",
        default=[],
        metavar="NAME",
        help="a host name or address by which the control may be asked, beside those of loopback; may be repeated",
    )
    asking = argparse.ArgumentParser(add_help=False)
    asking.add_argument(
        "--control", help=f"URL of a running lab (else $LAB_CONTROL, else {WHERE_STACK_WRITES})"
    )
    asking.add_argument("--json", action="store_true", help="JSON in place of text")
    commands.add_parser("knobs", parents=[asking], help="list what can be turned")
    turn = commands.add_parser("turn", parents=[asking], help="turn a knob")
    turn.add_argument("name")
    turn.add_argument("arguments", nargs="*", metavar="key=value")
    commands.add_parser("state", parents=[asking], help="all that is in force now, as JSON")
    telegram = commands.add_parser(
        "telegram", parents=[asking], help="the messages that arrived, as people read them, newest last"
    )
    telegram.add_argument("--last", type=_count, default=10, metavar="N", help="how many (default 10)")
    queues = commands.add_parser("queues", parents=[asking], help="PowerMTA's queues, exceptions first")
    queues.add_argument("host", nargs="?", metavar="HOST", help="one host (default: all)")
    queues.add_argument("--all", action="store_true", help="every queue")
    clock = commands.add_parser("clock", parents=[asking], help="show or move the lab's time")
    clock.add_argument(
        "--advance-to", metavar="TIME", help="ISO 8601 with an offset; only with a manual clock"
    )
    clock.add_argument("--release", action="store_true", help="go on in real time")
    return parser


def _run(options: argparse.Namespace) -> int:
    from lab.run import Lab, run  # loads the servers; the other commands do without

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr
    )
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    world = parse_world(_with_ports(read_world(options.world), options.bind), str(options.world))
    parent = os.getppid() if options.with_parent else None
    # messages come and go by the thousand and hold no circles: the collector would look through them for nothing
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    return asyncio.run(run(Lab(world, options.bind, tuple(options.control_name)), parent=parent))


def _ask(options: argparse.Namespace) -> int:
    control = _control(options.control)
    match options.command:
        case "knobs":
            knobs = _request(control, "GET", "/knobs")
            print(json.dumps(knobs, indent=2) if options.json else render_knobs(knobs, control))
        case "turn":
            turned = _request(control, "POST", f"/knobs/{options.name}", parse_arguments(options.arguments))
            print(json.dumps(turned) if options.json else _as_text(turned["result"]))
        case "state":
            print(json.dumps(_request(control, "GET", "/state"), indent=2))
        case "telegram":
            messages = _request(control, "GET", "/telegram/messages")
            print(
                json.dumps(messages[-options.last :])
                if options.json
                else render_messages(messages, options.last)
            )
        case "queues":
            hosts = _of_host(_request(control, "GET", "/powermta/queues"), options.host)
            print(json.dumps(hosts) if options.json else render_queues(hosts, options.all))
        case "clock":
            order = {"advance_to": options.advance_to} if options.advance_to else {"release": True}
            moved = options.advance_to or options.release
            clock = (
                _request(control, "POST", "/clock", order) if moved else _request(control, "GET", "/clock")
            )
            print(json.dumps(clock) if options.json else f"{clock['now']} ({clock['mode']})")
    return 0


def _with_ports(raw: dict[str, Any], host: str) -> dict[str, Any]:
    try:
        return fill_ports(raw, host)
    except OSError as error:
        raise CommandError(
            f"cannot listen on {host} ({error.strerror}); allowed: an address of this machine"
        ) from None


def _address(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no IPv4 address") from None


def _name(text: str) -> str:
    if re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", text.lower()):
        return text.lower()
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is no host name or IPv4 address; leave the port out")


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text[:9]) > 0:
        return int(text[:9])
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of messages; allowed: 1 or more")


def _of_host(hosts: dict[str, Any], wanted: str | None) -> dict[str, Any]:
    if wanted is None:
        return hosts
    if wanted not in hosts:
        raise CommandError(f"no PowerMTA host {wanted}; there are: {', '.join(hosts) or 'none'}")
    return {wanted: hosts[wanted]}


def parse_arguments(words: list[str]) -> dict[str, Any]:
    """`key=value` words to parameters; a value that is a JSON list, object or null is read as such."""
    parsed: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise CommandError(f"{word!r} is not key=value")
        try:
            parsed[key] = json.loads(value) if value[:1] in ("[", "{") or value == "null" else value
        except ValueError as error:
            raise CommandError(f"{key}: {value!r} is not JSON: {error}") from None
    return parsed


def render_knobs(knobs: list[dict[str, Any]], control: str) -> str:
    """Text for a terminal, grouped by part of the lab."""
    lines = [f"The lab at {control}. Turn one: .venv/bin/python -m lab turn NAME key=value ..."]
    lines += ["Telegram's messages: .venv/bin/python -m lab telegram [--last N]"]
    lines += ["PowerMTA's queues, paused ones first: .venv/bin/python -m lab queues [HOST]"]
    lines += ["All that the stand-ins know, as JSON: .venv/bin/python -m lab state"]
    group = ""
    for knob in knobs:
        if knob["group"] != group:
            group = knob["group"]
            lines += ["", group.upper()]
        lines += [f"  {knob['name']}", f"      {knob['help']}"]
        for each in knob["parameters"]:
            unset = each.get("default") is None
            default = (
                ""
                if each["required"]
                else " (optional)"
                if unset
                else f" (default {json.dumps(each['default'])})"
            )
            lines.append(f"      {each['name']}={each['allowed']}{default}")
    return "\n".join(lines)


def _control(given: str | None) -> str:
    if found := given or os.environ.get("LAB_CONTROL"):
        return found.rstrip("/")
    try:
        return str(json.loads(WHERE_STACK_WRITES.read_text(encoding="utf-8"))["control"]).rstrip("/")
    except OSError:
        raise CommandError("no running lab is known; start one with make up, or give --control URL") from None
    except (ValueError, KeyError, TypeError):
        raise CommandError(
            f'{WHERE_STACK_WRITES} should hold {{"control": "http://127.0.0.1:PORT"}}'
        ) from None


def _request(control: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    try:
        response = httpx.request(method, control + path, json=body, timeout=PATIENCE, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CommandError(
            f"the lab at {control} does not answer ({error}); is it running? (make status)"
        ) from None
    try:
        answer = response.json()
    except ValueError:
        raise CommandError(f"{control} is no lab: it answered {response.status_code} without JSON") from None
    if response.is_error:
        raise CommandError(str(answer.get("error", answer)))
    return answer


def _as_text(result: Any) -> str:
    if result is None:
        return "done"
    return result if isinstance(result, str) else json.dumps(result, indent=2)


if __name__ == "__main__":
    sys.exit(main())

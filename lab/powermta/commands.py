"""The `pmta` command: what it accepts and what each command does."""

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

from lab.powermta import shows
from lab.powermta.command_output import Answer, Output, render_answer
from lab.powermta.config_reader import ConfigurationError
from lab.powermta.config_values import seconds
from lab.powermta.delivery_records import delivery_row
from lab.powermta.mailbox_providers import Reply
from lab.powermta.sending_state import DisabledSource

if TYPE_CHECKING:
    from lab.powermta.host import Host

HELP = """\
usage: pmta [--xml|--dom|--json] command
  delete [--queue=Q] [--no-accounting]
  disable source [--reenable-after=T] IP Q
  enable source IP Q
  pause queue Q
  reload
  resume queue Q
  rotate acct [FILE]
  show disabled sources
  show domains [--maxitems=N]
  show queues [--paused] [--mode={normal|backoff}] [--sort={name|rcpt|size}] [--maxitems=N] [--errors] [Q]
  show settings Q
  show status
  show topdomains [--maxitems=N]
  show topqueues [--maxitems=N]
  show version
  show vmta-settings NAME
  show vmtas
  test config
Q is domain[/vmta]; * stands for anything in both parts.
"""
_DELETED = Reply("b", "failed", "5.0.0 (undefined status)", "smtp;deleted by administrator", "other")


class UsageError(Exception):
    """The command line is not one that `pmta` knows."""


def run_command(host: "Host", arguments: Sequence[str]) -> Output:
    """Runs `pmta` with these arguments. Exit status 0, or 1 with the reason."""
    words = [word for word in arguments if word not in {"--xml", "--dom", "--json"}]
    forms = [word[2:] for word in arguments if word in {"--xml", "--dom", "--json"}]
    form = forms[0] if forms else "text"
    if "json" in forms and _is_old(host):
        return Output(1, "", "unknown option: --json\n")
    if words in (["--help"], ["help"]):
        return Output(0, HELP.replace("  test config\n", "") if _is_old(host) else HELP)
    try:
        return render_answer(_dispatch(host, words), form)
    except UsageError as error:
        return render_answer(Answer(error=str(error)), form)


def _is_old(host: "Host") -> bool:
    """4.5 has neither --json nor `test config`."""
    return host.version.startswith("4.")


def _dispatch(host: "Host", words: list[str]) -> Answer:
    for length in (3, 2, 1):
        if (command := _COMMANDS.get(tuple(words[:length]))) and len(words) >= length:
            if words[:2] == ["test", "config"] and _is_old(host):
                break
            if host.model is None and words[:2] != ["test", "config"]:
                return Answer(error="cannot connect to pmtad: the service is not running")
            host.tick()
            return command(host, words[length:])
    raise UsageError(f"unknown command: {' '.join(words) or '(none)'}")


def _options(words: list[str], *known: str) -> tuple[dict[str, str], list[str]]:
    """Splits `--name[=value]` from the rest; an option that is not in `known` is an error."""
    options, rest = {}, []
    for word in words:
        if not word.startswith("--"):
            rest.append(word)
            continue
        name, _, value = word[2:].partition("=")
        if name not in known:
            raise UsageError(f"unknown option: {word}")
        options[name] = value
    return options, rest


def _exactly(words: list[str], count: int, what: str) -> list[str]:
    if len(words) < count:
        raise UsageError(f"argument missing: {what}")
    if len(words) > count:
        raise UsageError(f"too many arguments: {' '.join(words[count:])}")
    return words


def _test_config(host: "Host", words: list[str]) -> Answer:
    _exactly(words, 0, "")
    if host.faults.test_config_refusal:
        return Answer(error=host.faults.test_config_refusal)
    try:
        host.read_installed()
    except ConfigurationError as error:
        return Answer(error=str(error))
    return Answer(text="Configuration file is valid.")


def _reload(host: "Host", words: list[str]) -> Answer:
    _exactly(words, 0, "")
    if host.faults.reload_failures > 0:
        host.faults.reload_failures -= 1
        host.last_reload_error = "reload failed: internal error"
        return Answer(error=host.last_reload_error)
    try:
        host.reload()
    except ConfigurationError as error:
        return Answer(error=str(error))
    return Answer(text="Configuration reloaded.")


def _queue_name(host: "Host", text: str) -> str:
    """`domain[/vmta]`. Whether one queue may be named that is not there, no document says."""
    if text.count("/") > 1 or not text.strip("/") or any(sign.isspace() for sign in text):
        raise UsageError(f"invalid queue name: {text}")
    if "*" not in text and not host.holds_need_no_queue and not host.book.knows(text):
        raise UsageError(f"no such queue: {text}")
    return text


def _pause(host: "Host", words: list[str]) -> Answer:
    pattern = _queue_name(host, _exactly(words, 1, "queue name")[0])
    count = host.book.pause(pattern)
    return Answer({"count": count}, f"{count} queue(s) paused.")


def _resume(host: "Host", words: list[str]) -> Answer:
    pattern = _queue_name(host, _exactly(words, 1, "queue name")[0])
    count = host.book.resume(pattern)
    return Answer({"count": count}, f"{count} queue(s) resumed.")


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise UsageError(f"invalid IP address: {text}") from error


def _disable_source(host: "Host", words: list[str]) -> Answer:
    options, rest = _options(words, "reenable-after")
    address, pattern = _exactly(rest, 2, "IP and queue name")
    _queue_name(host, pattern)
    now = host.clock.now().timestamp()
    wait = options.get("reenable-after")
    if wait is not None and not seconds(wait):
        raise UsageError(f"invalid time: {wait}")
    until = now + seconds(wait) if wait else float("inf")
    host.book.switches.disable(DisabledSource(_address(address), pattern, now, until))
    return Answer(text=f"Source {address} disabled for {pattern}.")


def _enable_source(host: "Host", words: list[str]) -> Answer:
    address, pattern = _exactly(words, 2, "IP and queue name")
    count = host.book.switches.enable(_address(address), pattern)
    return Answer({"count": count}, f"Source {address} enabled for {pattern}.")


def _rotate(host: "Host", words: list[str]) -> Answer:
    if len(words) > 1:
        raise UsageError(f"too many arguments: {' '.join(words[1:])}")
    count = host.rotate_accounting(words[0] if words else "")
    return Answer({"count": count}, f"{count} accounting file(s) rotated.")


def _delete(host: "Host", words: list[str]) -> Answer:
    options, rest = _options(words, "queue", "no-accounting", "dsn")
    _exactly(rest, 0, "")
    if not options.get("queue"):
        raise UsageError("delete needs --queue or --jobId")
    now = host.clock.now().timestamp()
    deleted = host.book.delete(options["queue"])
    if "no-accounting" not in options and "b" in host.sending.kinds:
        host.write_records(
            [(now, "b", delivery_row(queue, mail, _DELETED, "", now), queue.name) for queue, mail in deleted]
        )
    return Answer({"count": len(deleted)}, f"{len(deleted)} recipient(s) deleted.")


def _show_queues(host: "Host", words: list[str]) -> Answer:
    options, rest = _options(
        words, "paused", "mode", "maxitems", "errors", "sort", "connected", "no-rcpt-events", "mode-events"
    )
    if len(rest) > 1:
        raise UsageError(f"too many arguments: {' '.join(rest[1:])}")
    return shows.queues(host, rest[0] if rest else "*/*", options, _max_items(options))


def _max_items(options: dict[str, str]) -> int:
    text = options.get("maxitems", "20")
    if not text.isdigit():
        raise UsageError(f"invalid number: {text}")
    return int(text)


def _limited(show: "Callable[[Host, int], Answer]") -> "Callable[[Host, list[str]], Answer]":
    def command(host: "Host", words: list[str]) -> Answer:
        options, rest = _options(words, "maxitems")
        _exactly(rest, 0, "")
        return show(host, _max_items(options))

    return command


def _plain(show: "Callable[[Host], Answer]") -> "Callable[[Host, list[str]], Answer]":
    def command(host: "Host", words: list[str]) -> Answer:
        _exactly(words, 0, "")
        return show(host)

    return command


def _named(show: "Callable[[Host, str], Answer]", what: str) -> "Callable[[Host, list[str]], Answer]":
    def command(host: "Host", words: list[str]) -> Answer:
        return show(host, _exactly(words, 1, what)[0])

    return command


_COMMANDS: "dict[tuple[str, ...], Callable[[Host, list[str]], Answer]]" = {
    ("test", "config"): _test_config,
    ("reload",): _reload,
    ("pause", "queue"): _pause,
    ("resume", "queue"): _resume,
    ("disable", "source"): _disable_source,
    ("enable", "source"): _enable_source,
    ("rotate", "acct"): _rotate,
    ("delete",): _delete,
    ("show", "queues"): _show_queues,
    ("show", "topqueues"): _limited(shows.top_queues),
    ("show", "domains"): _limited(shows.domains),
    ("show", "topdomains"): _limited(shows.domains),
    ("show", "vmtas"): _limited(shows.vmtas),
    ("show", "status"): _plain(shows.status),
    ("show", "version"): _plain(shows.version),
    ("show", "disabled", "sources"): _plain(shows.disabled_sources),
    ("show", "settings"): _named(shows.settings, "queue name"),
    ("show", "vmta-settings"): _named(shows.vmta_settings, "virtual MTA name"),
}

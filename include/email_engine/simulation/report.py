"""The HTML report of a simulation: the table, and for each policy what was sent, allowed and stopped. One file, pictures inside."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from email_engine.fleet.model import IpState
from email_engine.paths import TEMPLATES
from email_engine.simulation.days import IpDay
from email_engine.simulation.tally import STOPS
from email_engine.warmup.proposal import Action
from email_engine.warmup.provider_limits import WHOLE

SENT, ALLOWED = "#1f6feb", "#24292f"
RIGHT, LIST, WRONG = "stopped while truly bad", "paused with its stream for its list", "stopped otherwise"
STOP_COLOURS = {RIGHT: "#1a7f37", LIST: "#d4a72c", WRONG: "#d1242f"}
BY_SCORE, AT_PROVIDER = "by their score", "at a provider"
SLOW_COLOURS = {BY_SCORE: "#d1242f", AT_PROVIDER: "#8250df"}
STATE_COLOURS = {
    IpState.ACTIVE: "#1a7f37",
    IpState.WARMING: "#4ac26b",
    IpState.RETIRING: "#d4a72c",
    IpState.STANDBY: "#c9d1d9",
    IpState.RESTING: "#9aa5b1",
    IpState.QUARANTINE: "#d1242f",
    IpState.ABANDONED: "#57606a",
}
Runs = Mapping[str, Sequence[IpDay]]


def _svg(figure: Figure) -> Markup:
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "email-engine"}):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = buffer.getvalue()
    return Markup(text[text.index("<svg") :])  # noqa: S704 - our own drawing


def _numbers(days: Sequence[IpDay], first: date) -> range:
    return range(1, (max(one.day for one in days) - first).days + 2)


def picture(runs: Runs) -> Markup:
    """A column for each policy: messages a day, IPs by state, IPs slowed, and stops that were right and wrong, on common scales."""
    figure = Figure(figsize=(max(5.2 * len(runs), 7), 11))
    axes = figure.subplots(4, len(runs), squeeze=False, sharex=True, sharey="row")
    for column, (name, days) in enumerate(runs.items()):
        first = min(one.day for one in days)
        numbers = list(_numbers(days, first))
        sent, allowed = Counter[int](), Counter[int]()
        states: Counter[tuple[int, str]] = Counter()
        stops: Counter[tuple[int, str]] = Counter()
        slow: Counter[tuple[int, str]] = Counter()
        for one in days:
            number = (one.day - first).days + 1
            sent[number] += one.counts.sent
            allowed[number] += one.allowance
            states[number, one.state] += 1
            if one.action in STOPS or one.listed:
                stops[number, RIGHT if one.bad else WRONG if one.blames else LIST] += 1
            for kind in {BY_SCORE if name == WHOLE else AT_PROVIDER for name in one.throttle_factors}:
                slow[number, kind] += 1
        top, middle, slowed, bottom = (row[column] for row in axes)
        top.set_title(name, loc="left", fontsize=11)
        top.fill_between(numbers, [sent[n] for n in numbers], color=SENT, linewidth=0, label="sent")
        top.step(
            numbers,
            [allowed[n] for n in numbers],
            where="mid",
            color=ALLOWED,
            linewidth=1.1,
            label="allowance",
        )
        shown = [state for state in STATE_COLOURS if any(states[n, state] for n in numbers)]
        middle.stackplot(
            numbers,
            [[states[n, state] for n in numbers] for state in shown],
            labels=[str(state) for state in shown],
            colors=[STATE_COLOURS[state] for state in shown],
        )
        for kind in (BY_SCORE, AT_PROVIDER):
            slowed.plot(numbers, [slow[n, kind] for n in numbers], color=SLOW_COLOURS[kind], label=kind)
        below = [0] * len(numbers)
        for kind, colour in STOP_COLOURS.items():
            heights = [stops[n, kind] for n in numbers]
            bottom.bar(numbers, heights, bottom=below, color=colour, label=kind)
            below = [low + high for low, high in zip(below, heights, strict=True)]
        bottom.set_xlabel("day")
    for row, label in enumerate(("messages a day", "IPs by state", "IPs slowed", "stops a day")):
        axes[row][0].set_ylabel(label)
        axes[row][-1].legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.02, 0.5))
        axes[row][0].set_ylim(bottom=0)
    return _svg(figure)


def noteworthy(days: Sequence[IpDay]) -> list[IpDay]:
    """Stops, releases and graduations, in order of time; the rest is routine."""
    routine = {Action.STAY, Action.HOLD, Action.ADVANCE, Action.WARM_DOWN}
    return [one for one in days if one.action not in routine or one.listed]


def render_report(
    title: str, lead: str, head: Sequence[str], rows: Sequence[Sequence[str]], runs: Runs
) -> str:
    """`head` and `rows`: the table, its first column what is counted, then one column a policy."""
    environment: Any = Environment(
        loader=FileSystemLoader(TEMPLATES / "report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return str(
        environment.get_template("simulation.html.j2").render(
            title=title,
            lead=lead,
            head=head,
            rows=rows,
            picture=picture(runs),
            events={name: noteworthy(days) for name, days in runs.items()},
        )
    )

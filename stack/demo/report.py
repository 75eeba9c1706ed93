"""The HTML report: warm-up curves, allowance against sent, the events. One file, pictures inside."""

import base64
import io
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from email_engine.paths import TEMPLATES
from stack.demo.chronicle import Curve, Event

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.dates import date2num, num2date

ALLOWED, SENT, TROUBLE = "#9aa5b1", "#1f6feb", "#d1242f"


def _picture(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def warmup_curves(curves: Mapping[str, Curve], vmtas: Sequence[str]) -> str:
    """A small panel for each virtual MTA: allowance as steps, sent as an area; all on one scale.

    The scale is set by hand: panels that share their axes cost matplotlib the square of their number."""
    columns = 4
    rows = -(-len(vmtas) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(14, 2.3 * rows), squeeze=False)
    figure.subplots_adjust(left=0.04, right=0.99, top=0.99, bottom=0.01, wspace=0.08, hspace=0.22)
    shown = [curves.get(vmta, {}) for vmta in vmtas]
    first, last = _span(shown)
    highest = max((max(point) for curve in shown for point in curve.values()), default=1)
    for number, (axis, vmta, curve) in enumerate(zip(axes.flat, vmtas, shown, strict=False)):
        days = [float(date2num(day)) for day in curve]
        allowed, sent = [point[0] for point in curve.values()], [point[1] for point in curve.values()]
        axis.fill_between(days, sent, color=SENT, linewidth=0, step="mid", label="sent")
        axis.step(days, allowed, where="mid", color="black", linewidth=1.1, label="allowance")
        axis.set_title(vmta, fontsize=9, loc="left")
        axis.set_xlim(first - 1, last + 1)
        axis.set_ylim(0, highest * 1.05)
        ticks = [first + n * (last - first) / 3 for n in range(4)]
        at_the_end = number + columns >= len(vmtas)
        axis.set_xticks(ticks, [f"{num2date(t):%m-%d}" for t in ticks] if at_the_end else [])
        axis.tick_params(labelsize=7, labelleft=number % columns == 0)
    for axis in list(axes.flat)[len(vmtas) :]:
        axis.axis("off")
    if vmtas:
        axes[0][0].legend(fontsize=7, frameon=False)
    return _picture(figure)


def _span(curves: Sequence[Curve]) -> tuple[float, float]:
    """First and last day of all curves, as matplotlib counts days."""
    days = [day for curve in curves for day in curve]
    return (float(date2num(min(days))), float(date2num(max(days)))) if days else (0.0, 1.0)


def fleet_totals(curves: Mapping[str, Curve], events: Sequence[Event]) -> str:
    """Allowance against sent over the whole fleet, with a mark where the lab made trouble."""
    days = sorted({day for curve in curves.values() for day in curve})
    places = [float(date2num(day)) for day in days]
    allowed = [sum(curve.get(day, (0, 0))[0] for curve in curves.values()) for day in days]
    sent = [sum(curve.get(day, (0, 0))[1] for curve in curves.values()) for day in days]
    figure, axis = plt.subplots(figsize=(14, 3.6))
    axis.fill_between(places, allowed, color=ALLOWED, alpha=0.35, step="mid", label="allowance")
    axis.plot(places, sent, color=SENT, linewidth=1.8, label="sent")
    marks: dict[date, int] = {}
    for event in events:
        if event.what.startswith("LAB:"):
            day = event.at.date()
            marks[day] = marks.get(day, 0) + 1
            axis.axvline(float(date2num(day)), color=TROUBLE, linewidth=0.8, alpha=0.7)
    axis.xaxis_date()
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False, loc="lower right")
    axis.set_title(
        "The whole fleet: allowance against sent, messages a day (red: something happens in the lab)",
        fontsize=11,
        loc="left",
    )
    return _picture(figure)


def write_report(
    path: Path,
    curves: Mapping[str, Curve],
    warming: Sequence[str],
    events: Sequence[Event],
    proofs: Sequence[tuple[str, bool, str]],
    totals: Mapping[str, int],
    seconds: float,
) -> None:
    """One self-contained HTML file."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES / "report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    rest = sorted(
        set(curves) - set(warming), key=lambda v: (v.rpartition("-")[0], int(v.rpartition("-")[2] or 0))
    )
    text = environment.get_template("demo.html.j2").render(
        totals_picture=fleet_totals(curves, events),
        warmup_picture=warmup_curves(curves, warming),
        other_picture=warmup_curves(curves, rest),
        events=events, proofs=proofs, totals=totals, seconds=seconds,
    )  # fmt: skip
    path.write_text(text)

"""The HTML report: warm-up curves, allowance against sent, the events. One file, pictures inside."""

import base64
import io
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from email_engine.home import TEMPLATES
from stack.demo.chronicle import Curve, Event

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.dates import date2num

ALLOWED, SENT, TROUBLE = "#9aa5b1", "#1f6feb", "#d1242f"


def _picture(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def warmup_curves(curves: Mapping[str, Curve], vmtas: Sequence[str]) -> str:
    """A small panel for each IP that came aboard warming: allowance as steps, sent as bars."""
    columns = 4
    rows = -(-len(vmtas) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(14, 2.3 * rows), sharex=True, sharey=True, squeeze=False
    )
    for axis, vmta in zip(axes.flat, vmtas, strict=False):
        days = list(curves.get(vmta, {}))
        allowed = [curves[vmta][day][0] for day in days]
        sent = [curves[vmta][day][1] for day in days]
        axis.bar(days, sent, color=SENT, width=0.9, label="sent")
        axis.step(days, allowed, where="mid", color="black", linewidth=1.1, label="allowance")
        axis.set_title(vmta, fontsize=9, loc="left")
        axis.tick_params(labelsize=7)
        axis.tick_params(axis="x", rotation=45)
    for axis in list(axes.flat)[len(vmtas) :]:
        axis.axis("off")
    if vmtas:
        axes[0][0].legend(fontsize=7, frameon=False)
    figure.tight_layout()
    return _picture(figure)


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

"""Plot of the losses of a run."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sn37.domain.training import Evaluated, Step
from sn37.durable import write_whole

SMOOTHED = 20  # the line follows the mean of about this many steps


def draw(file: Path, steps: Sequence[Step], evaluations: Sequence[Evaluated]) -> None:
    """Write a PNG: every step's loss faintly, their mean, and the validator's scores."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    numbers = [step.number for step in steps]
    axes.plot(numbers, [step.loss for step in steps], color="tab:blue", alpha=0.25, linewidth=0.8)
    axes.plot(numbers, _smooth([step.loss for step in steps]), color="tab:blue", label="training")
    axes.plot(
        [e.step for e in evaluations],
        [e.score for e in evaluations],
        color="tab:orange",
        marker="o",
        label="held out, as a validator scores",
    )
    axes.set(xlabel="step", ylabel="loss")
    axes.grid(alpha=0.3)
    axes.legend()
    picture = BytesIO()
    canvas.print_png(picture)  # type: ignore[no-untyped-call]
    write_whole(file, picture.getvalue())


def _smooth(losses: Sequence[float]) -> list[float]:
    """Return an exponential mean that is unbiased from the first step on."""
    keep = 1 - 1 / SMOOTHED
    mean, weight, found = 0.0, 0.0, []
    for loss in losses:
        mean, weight = keep * mean + loss, keep * weight + 1
        found.append(mean / weight)
    return found

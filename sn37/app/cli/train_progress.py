"""Progress of training on standard error: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sn37.domain.training import Evaluated, Step


@contextmanager
def shown(*, quiet: bool) -> Iterator[Bar]:
    """Show a bar on standard error while the context is open, unless another process shows one."""
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[what]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, quiet=quiet)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield Bar(progress, console)


class Bar:
    """Steps move the bar; scores and notes are printed above it."""

    def __init__(self, progress: Progress, console: Console) -> None:
        self._progress = progress
        self._console = console
        self._task = progress.add_task("training", total=None, what="")

    def begin(self, *, steps: int) -> None:
        """See :class:`sn37.app.training.run.Progress`; so do the methods below."""
        self._progress.update(self._task, total=steps)

    def step(self, step: Step) -> None:
        speed = step.tokens / step.seconds if step.seconds else 0.0
        what = f"loss {step.loss:.4f}, {speed:,.0f} tokens/s"
        self._progress.update(self._task, completed=step.number, what=what)

    def evaluated(self, found: Evaluated) -> None:
        of = "the base" if found.step == 0 else f"step {found.step}"
        self.note(f"held out, as a validator scores: {found.score:.4f} ({of})")

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

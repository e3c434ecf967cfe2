"""Progress of long commands on standard error: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sn37.domain.training import Evaluated, Step

LINE_EVERY_S = 30.0  # elsewhere than on a terminal

# Called with what is done, how many of them are, and of how many.
Told = Callable[[str, int, int], None]


@contextmanager
def counted(
    title: str,
    *,
    quiet: bool,
    console: Console | None = None,
    now: Callable[[], float] = time.monotonic,
) -> Iterator[Told]:
    """Show how far a command is: a bar on a terminal, elsewhere a line at times.

    Args:
        quiet: Show nothing, for commands that print JSON.
        console: Standard error by default.
        now: Seconds from any beginning.
    """
    console = Console(stderr=True) if console is None else console
    if quiet:
        yield lambda what, done, total: None
    elif console.is_terminal:
        with Progress(*_columns(title), console=console, transient=True) as progress:
            task = progress.add_task(title, total=None, what="")

            def show(what: str, done: int, total: int) -> None:
                progress.update(task, what=what, completed=done, total=total)

            yield show
    else:
        yield _Lines(title=title, console=console, now=now).tell


@dataclass(kw_only=True)
class _Lines:
    """Prints a line when the last one, or the beginning, is ``LINE_EVERY_S`` ago."""

    title: str
    console: Console
    now: Callable[[], float]
    began: float = field(init=False)
    printed: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.printed = self.now()

    def tell(self, what: str, done: int, total: int) -> None:
        if (at := self.now()) - self.printed < LINE_EVERY_S or not done:
            return
        self.printed = at
        left_s = (at - self.began) / done * (total - done)
        left = f"about {left_s / 60:,.0f} min left" if left_s >= 60 else f"{left_s:.0f} s left"
        line = f"{self.title}: {what}, {done:,} of {total:,}, {left}"
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def shown(*, quiet: bool) -> Iterator[Bar]:
    """Show the bar of a training while the context is open, unless another process shows one."""
    console = Console(stderr=True, quiet=quiet)
    with Progress(
        *_columns("training"), console=console, disable=not console.is_terminal
    ) as progress:
        yield Bar(progress, console)


def _columns(title: str) -> tuple[ProgressColumn, ...]:
    return (
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[what]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )


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

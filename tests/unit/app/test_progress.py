"""What is shown while a model is trained, a receipt replayed, a record audited."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from sn37.app.cli.terminal.progress import Bar, counted, shown
from sn37.domain.training import Evaluated, Step

STEP = Step(number=2, loss=1.25, learning_rate=1e-3, tokens=300, seconds=0.5)


def test_steps_move_a_bar_and_scores_stand_above_it() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[what]}"))
    with Progress(*columns, console=console) as progress:
        bar = Bar(progress, console)
        bar.begin(steps=4)
        bar.evaluated(Evaluated(step=0, score=2.5))
        bar.step(STEP)
        bar.evaluated(Evaluated(step=2, score=1.5))
    text = out.getvalue()
    assert "2/4" in text
    assert "loss 1.2500, 600 tokens/s" in text
    assert "held out, as a validator scores: 2.5000 (the base)" in text
    assert "held out, as a validator scores: 1.5000 (step 2)" in text


@pytest.mark.parametrize(("quiet", "said"), [(False, "a note\n"), (True, "")])
def test_elsewhere_than_on_a_terminal_there_are_lines_alone(
    quiet: bool, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown(quiet=quiet) as bar:
        bar.begin(steps=4)
        bar.step(STEP)
        bar.note("a note")
    assert capsys.readouterr() == ("", said)


class Clock:
    """A clock that moves when it is told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def plain(out: io.StringIO) -> Console:
    return Console(file=out, force_terminal=False, width=200)


def test_elsewhere_than_on_a_terminal_a_line_at_times_says_how_much_is_left() -> None:
    out, clock = io.StringIO(), Clock()
    with counted("replay", quiet=False, console=plain(out), now=clock) as told:
        for done, at in ((1, 101.0), (2, 129.0), (3, 131.0), (4, 140.0), (30, 190.0)):
            clock.now = at
            told("blocks scored", done, 40)
    assert out.getvalue() == (
        "replay: blocks scored, 3 of 40, about 6 min left\n"
        "replay: blocks scored, 30 of 40, 30 s left\n"
    )


def test_on_a_terminal_one_bar_counts() -> None:
    out = io.StringIO()
    with counted(
        "audit", quiet=False, console=Console(file=out, force_terminal=True, width=100)
    ) as told:
        told("rounds", 3, 12)
    assert "audit" in out.getvalue()
    assert "3/12" in out.getvalue()
    assert "rounds" in out.getvalue()


def test_with_json_there_is_no_progress() -> None:
    out, clock = io.StringIO(), Clock()
    with counted("audit", quiet=True, console=plain(out), now=clock) as told:
        clock.now = 1e6
        told("rounds", 3, 12)
    assert out.getvalue() == ""

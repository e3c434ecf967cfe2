"""What is shown while a model is trained."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from sn37.app.cli.terminal.progress import Bar, shown
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

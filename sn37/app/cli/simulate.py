"""``sn37 simulate``: measure the winner rule by simulation, at full size."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.config.number_limits import MAX_COUNT, MAX_SEED
from sn37.app.errors import CommandError

if TYPE_CHECKING:
    from sn37.app.simulate.economy import Line
    from sn37.app.simulate.estimate import Figure, Progress
    from sn37.app.simulate.losses import LossModel

app = typer.Typer(
    name="simulate",
    help="Measure the winner rule by simulation; docs/winner.md explains the figures.",
    no_args_is_help=True,
)

Paths = Annotated[
    int, typer.Option("--paths", min=1, max=MAX_COUNT, help="Independent repetitions.")
]
Rounds = Annotated[
    int, typer.Option("--rounds", min=1, max=MAX_COUNT, help="Rounds of each repetition.")
]
Runs = Annotated[int, typer.Option("--runs", min=1, max=MAX_COUNT, help="Independent runs.")]
Samples = Annotated[
    int, typer.Option("--samples", min=16, max=MAX_COUNT, help="Samples of a round.")
]
Seed = Annotated[
    int,
    typer.Option("--seed", min=0, max=MAX_SEED, help="Seed; the same seed gives the same figures."),
]
Margin = Annotated[float, typer.Option("--epsilon", min=0, max=0.5, help="Fixed relative margin.")]
ShapeName = Annotated[
    str,
    typer.Option(
        "--shape", help="Distribution of differences in loss: normal, heavy, skewed or rare."
    ),
]
Correlation = Annotated[
    float,
    typer.Option(
        "--correlation", min=0, max=0.9999, help="Correlation between the losses of two models."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.command("false-crown")
def false_crown(
    paths: Paths = 600_000,
    rounds: Rounds = 20,
    samples: Samples = 120,
    seed: Seed = 0,
    epsilon: Margin = 0.005,
    shape: ShapeName = "heavy",
    correlation: Correlation = 0.98,
    as_json: AsJson = False,
) -> None:
    """Measure how often a challenger that is not better takes the crown, under three rules."""
    model = _model(shape, correlation)
    from sn37.app.simulate import challenge

    setting = challenge.Challenge(epsilon=epsilon, samples=samples, rounds=rounds, model=model)
    _measure(
        lambda progress: challenge.false_crown(setting, paths=paths, seed=seed, progress=progress),
        as_json=as_json,
    )


@app.command()
def lottery(
    paths: Paths = 1_000,
    rounds: Rounds = 600,
    samples: Samples = 300,
    seed: Seed = 0,
    epsilon: Margin = 0.005,
    shape: ShapeName = "heavy",
    correlation: Correlation = 0.98,
    as_json: AsJson = False,
) -> None:
    """Measure how often a copy wins when a new copy is committed for every round."""
    model = _model(shape, correlation)
    from sn37.app.simulate import lottery as library

    setting = library.Lottery(epsilon=epsilon, samples=samples, rounds=rounds, model=model)
    _measure(
        lambda progress: library.figures(setting, paths=paths, seed=seed, progress=progress),
        as_json=as_json,
    )


@app.command()
def power(
    paths: Paths = 2_000,
    rounds: Rounds = 60,
    samples: Samples = 300,
    seed: Seed = 0,
    epsilon: Margin = 0.005,
    shape: ShapeName = "normal",
    correlation: Correlation = 0.98,
    gain: Annotated[
        list[float] | None, typer.Option("--gain", help="True relative gain; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how many rounds a challenger that is truly better needs to win.

    Infinite: more than --rounds.
    """
    model = _model(shape, correlation)
    from sn37.app.simulate import challenge

    setting = challenge.Challenge(epsilon=epsilon, samples=samples, rounds=rounds, model=model)
    gains = gain or [0.01, 0.02, 0.03]
    _measure(
        lambda progress: challenge.power(setting, gains, paths=paths, seed=seed, progress=progress),
        as_json=as_json,
    )


@app.command()
def racing(
    paths: Paths = 1_000,
    rounds: Rounds = 3,
    samples: Samples = 300,
    seed: Seed = 0,
    epsilon: Margin = 0.005,
    shape: ShapeName = "heavy",
    correlation: Correlation = 0.98,
    models: Annotated[
        int, typer.Option("--models", min=2, max=MAX_COUNT, help="Models of a round.")
    ] = 20,
    gain_mean: Annotated[float, typer.Option(help="Mean true gain over the champion.")] = -0.05,
    gain_sd: Annotated[
        float, typer.Option(min=0, help="Standard deviation of the true gain.")
    ] = 0.05,
    as_json: AsJson = False,
) -> None:
    """Measure how often stopping hopeless challengers changes the winner, and what it saves."""
    model = _model(shape, correlation)
    from sn37.app.simulate import race

    setting = race.Field(
        num_models=models,
        gain_mean=gain_mean,
        gain_sd=gain_sd,
        epsilon=epsilon,
        samples=samples,
        rounds=rounds,
        model=model,
    )
    _measure(
        lambda progress: race.figures(setting, paths=paths, seed=seed, progress=progress),
        as_json=as_json,
    )


@app.command()
def noise(
    paths: Paths = 5_000,
    rounds: Rounds = 200,
    samples: Samples = 300,
    seed: Seed = 0,
    epsilon: Margin = 0.005,
    shape: ShapeName = "normal",
    correlation: Correlation = 0.98,
    sd: Annotated[float, typer.Option("--sd", min=0, help="Rounding noise of a loss.")] = 0.004,
    as_json: AsJson = False,
) -> None:
    """Measure how often two validators disagree when their devices round differently."""
    model = _model(shape, correlation)
    from sn37.app.simulate import challenge
    from sn37.app.simulate import noise as library

    def figures(progress: Progress) -> list[Figure]:
        result = []
        for ratio in (1.0, 1.2):
            setting = challenge.Challenge(
                gain=ratio * epsilon, epsilon=epsilon, samples=samples, rounds=rounds, model=model
            )
            result += library.disagreement(
                setting, paths=paths, seed=seed, progress=progress, noise_sd=sd
            )
        return result

    _measure(figures, as_json=as_json)


@app.command("multi-task")
def multi_task(
    paths: Paths = 20_000,
    rounds: Rounds = 40,
    samples: Samples = 300,
    seed: Seed = 0,
    epsilon: Margin = 0.01,
    shape: ShapeName = "heavy",
    correlation: Correlation = 0.98,
    gain: Annotated[float, typer.Option("--gain", help="True relative gain in each task.")] = 0.1,
    as_json: AsJson = False,
) -> None:
    """Measure the rule with four tasks on different scales, two of them normalised by a curve."""
    model = _model(shape, correlation)
    from sn37.app.simulate import challenge, multitask

    setting = challenge.Challenge(epsilon=epsilon, samples=samples, rounds=rounds, model=model)
    _measure(
        lambda progress: multitask.figures(
            setting, gain, paths=paths, seed=seed, progress=progress
        ),
        as_json=as_json,
    )


@app.command()
def attack(
    scenario: Annotated[str, typer.Argument(help="One of the scenarios above.")],
    paths: Paths = 60,
    rounds: Rounds = 60,
    samples: Samples = 300,
    seed: Seed = 0,
    epsilon: Margin = 0.005,
    correlation: Correlation = 0.98,
    gain: Annotated[float, typer.Option("--gain", help="True gain of the honest entry.")] = 0.01,
    as_json: AsJson = False,
) -> None:
    """Play whole rounds in which one attack is tried.

    Scenarios: power (no attack), clones, noisy-clones, crowded-clones, successor, abdication,
    attendance (--gain is the attacker's), odd-rows, rare-losses, known-rows, colluding-rows,
    tuned-rows, defended-rows, first-comer, leaders (slightly better, before the honest entry),
    backlog. With two tasks: two-tasks (no attack), two-task-clones, two-task-odd-rows,
    two-task-abdication, specialist (gains only in the task of 30 %), lopsided (the same, and
    loses 3 % in the other).
    """
    model = _model("normal", correlation)
    from sn37.app.simulate import attacks, outcomes
    from sn37.app.simulate.play import Setting

    if scenario not in attacks.SCENARIOS:
        raise typer.BadParameter(f"{scenario}: choose from {', '.join(attacks.SCENARIOS)}")
    setting = Setting(samples=samples, epsilon=epsilon, rounds=rounds, gain=gain, model=model)
    _measure(
        lambda progress: outcomes.figures(
            scenario, setting, paths=paths, seed=seed, progress=progress
        ),
        as_json=as_json,
    )


@app.command()
def economy(
    rounds: Rounds = 2_000,
    runs: Runs = 5,
    samples: Samples = 300,
    seed: Seed = 0,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            "--strategy",
            help="Strategy that takes part beside honest owners; repeatable; by default all.",
        ),
    ] = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="Run each strategy separately beside honest owners.")
    ] = False,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            "--assume", help="Change a cost or gain, for example registration=20; repeatable."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what owners earn, by strategy and cost, on one subnet of 256 hotkeys.

    Income follows the standings; docs/winner.md describes strategies and assumptions.
    """
    model = _model("normal", 0.98)
    from sn37.app.simulate import costs, market
    from sn37.app.simulate import economy as library

    known = [name for name in library.STRATEGIES if name not in library.HONEST]
    for name in strategy or ():
        if name not in known:
            raise typer.BadParameter(f"--strategy {name}: choose from {', '.join(known)}")
    try:
        money, training = costs.assumed(assume or ())
    except ValueError as error:
        raise typer.BadParameter(f"--assume {error}") from error
    rules = market.Rules(samples=samples, model=model, costs=money, training=training)
    with _bar(visible=not as_json) as progress:
        lines = library.table(
            rules,
            strategy or known,
            alone=alone,
            rounds=rounds,
            num_runs=runs,
            seed=seed,
            progress=progress,
        )
    if as_json:
        assumed = asdict(money) | asdict(training)
        rows = {"assumptions": assumed, "strategies": [_finite(asdict(line)) for line in lines]}
        typer.echo(json.dumps(rows, indent=2, allow_nan=False))
    else:
        _print_accounts(lines)


@app.command("missed-rounds")
def missed_rounds(
    rounds: Rounds = 1_000,
    runs: Runs = 5,
    samples: Samples = 300,
    seed: Seed = 0,
    sd: Annotated[float, typer.Option("--sd", min=0, help="Rounding noise of a loss.")] = 0.004,
    missed: Annotated[
        float, typer.Option("--missed", min=0, max=1, help="Share of rounds that it misses.")
    ] = 0.2,
    as_json: AsJson = False,
) -> None:
    """Measure how a validator that misses rounds agrees with one that misses none.

    With and without scoring the missed rounds later, in a competition of honest owners.
    """
    model = _model("normal", 0.98)
    from sn37.app.simulate import absence, market

    habits = (
        absence.Habit(name="misses nothing"),
        absence.Habit(name=f"misses {missed:.0%}", missed=missed),
        absence.Habit(
            name=f"misses {missed:.0%}, scores them later", missed=missed, catches_up=True
        ),
    )
    rules = market.Rules(samples=samples, model=model)
    _measure(
        lambda progress: absence.figures(
            rules, habits, rounds=rounds, num_runs=runs, seed=seed, noise=sd, progress=progress
        ),
        as_json=as_json,
    )


def _model(shape: str, correlation: float) -> LossModel:
    """Return the loss model; checks for numpy before anything imports it.

    Raises:
        CommandError: numpy is not installed.
        typer.BadParameter: ``shape`` does not exist.
    """
    if importlib.util.find_spec("numpy") is None:
        raise CommandError("simulations need numpy: pip install 'sn37[simulate]'")
    from sn37.app.simulate.losses import LossModel, Shape

    if shape not in list(Shape):
        raise typer.BadParameter(f"--shape {shape}: choose from {', '.join(Shape)}")
    return LossModel(shape=Shape(shape), correlation=correlation)


def _measure(simulate: Callable[[Progress], list[Figure]], *, as_json: bool) -> None:
    with _bar(visible=not as_json) as progress:
        figures = simulate(progress)
    if as_json:
        # An infinite number of rounds is null: JSON has no infinity.
        rows = [asdict(f) | {"value": f.value if abs(f.value) < 1e308 else None} for f in figures]
        typer.echo(json.dumps({"figures": rows}, indent=2, allow_nan=False))
    else:
        _print_table(figures)


@contextmanager
def _bar(*, visible: bool) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(file=sys.stderr), disable=not visible, transient=True) as bar:
        task = bar.add_task("simulating", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_table(figures: list[Figure]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "measured", "95 % interval", "trials")
    for f in figures:
        interval = f"{f.low:.2g} .. {f.high:.2g}" if f.low is not None else ""
        trials = f"{f.trials:,}" if f.trials is not None else ""
        table.add_row(f.name, f"{f.value:.4g}", interval, trials)
    Console().print(table)


def _finite(row: Mapping[str, object]) -> dict[str, object]:
    """Return a row with null for infinity and NaN, which JSON does not have."""
    told = {k: _finite(v) if isinstance(v, dict) else v for k, v in row.items()}
    return {
        k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in told.items()
    }


def _print_accounts(lines: list[Line]) -> None:
    from rich.console import Console
    from rich.table import Table

    def told(figure: Figure, digits: int) -> str:
        if figure.low is None:
            return f"{figure.value:.{digits}f}"
        return f"{figure.value:.{digits}f} ({figure.low:.{digits}f} .. {figure.high:.{digits}f})"

    table = Table(
        "strategy",
        "kind",
        "share of pay",
        "$ an owner a day",
        "income per $",
        "over all honest",
        "income per $ beyond honest work of its cost",
    )
    for line in lines:
        table.add_row(
            line.strategy if line.num_owners == 1 else f"{line.strategy} ({line.num_owners})",
            line.kind,
            told(line.share, 3),
            f"{line.cost_day.value:.0f}",
            told(line.per_cost, 2),
            told(line.relative, 2),
            f"{told(line.over_twin, 2)}, {line.twin}",
        )
    Console().print(table)

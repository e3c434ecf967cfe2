"""``sn37 simulate``: measure the winner rule by simulation, at full size."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.config.number_limits import MAX_COUNT, MAX_SEED
from sn37.app.errors import CommandError, UsageError

if TYPE_CHECKING:
    from sn37.app.simulate.challenge import Challenge
    from sn37.app.simulate.economy import Line
    from sn37.app.simulate.estimate import Figure, Progress
    from sn37.app.simulate.losses import LossModel
    from sn37.app.simulate.play import Setting

app = typer.Typer(
    name="simulate",
    help="Measure the winner rule by simulation; sn37 docs winner explains the figures.",
    no_args_is_help=True,
)

MAX_GAIN = 0.99  # a gain of 1 would be a loss of 0

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
Gain = Annotated[
    float,
    typer.Option("--gain", min=0, max=MAX_GAIN, help="True relative gain of the challenger."),
]
Gains = Annotated[
    list[float] | None,
    typer.Option("--gain", min=0, max=MAX_GAIN, help="True relative gain; repeatable."),
]
Noise = Annotated[float, typer.Option("--sd", min=0, max=1, help="Rounding noise of a loss.")]
_SHARED = {
    "paths": Paths,
    "rounds": Rounds,
    "runs": Runs,
    "samples": Samples,
    "seed": Seed,
    "epsilon": Margin,
    "shape": ShapeName,
    "correlation": Correlation,
    "as_json": AsJson,
}

_CHALLENGE = {"epsilon": 0.005, "correlation": 0.98}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Values of the options that simulations share; a command offers those it has a default of."""

    paths: int = 1
    rounds: int
    runs: int = 1
    samples: int
    seed: int
    epsilon: float = 0.005
    shape: str = "normal"
    correlation: float = 0.98
    as_json: bool

    def model(self) -> LossModel:
        """Return the loss model; checks for numpy before anything imports it.

        Raises:
            CommandError: numpy is not installed.
            typer.BadParameter: ``shape`` does not exist.
        """
        if importlib.util.find_spec("numpy") is None:
            raise CommandError("simulations need numpy: pip install 'sn37[simulate]'")
        from sn37.app.simulate.losses import LossModel, Shape

        if self.shape not in list(Shape):
            raise typer.BadParameter(f"--shape {self.shape}: choose from {', '.join(Shape)}")
        return LossModel(shape=Shape(self.shape), correlation=self.correlation)

    def challenge(self) -> Challenge:
        """Return the setting of one challenger against a champion."""
        model = self.model()
        from sn37.app.simulate.challenge import Challenge

        return Challenge(
            epsilon=self.epsilon, samples=self.samples, rounds=self.rounds, model=model
        )

    def scenario(self, gain: float) -> Setting:
        """Return the setting of whole rounds, with the true gain of one entry."""
        model = self.model()
        from sn37.app.simulate.play import Setting

        return Setting(
            samples=self.samples, epsilon=self.epsilon, rounds=self.rounds, gain=gain, model=model
        )


def _command(name: str, **defaults: object) -> Callable[[Callable[..., None]], None]:
    """Register a command: its own options, and the shared ones that get a default here."""
    shared = [
        Parameter(option, Parameter.KEYWORD_ONLY, default=default, annotation=_SHARED[option])
        for option, default in {**defaults, "seed": 0, "as_json": False}.items()
    ]

    def decorate(simulate: Callable[..., None]) -> None:
        own = [p for p in signature(simulate, eval_str=True).parameters.values() if p.name != "of"]
        offered = [*(p.replace(kind=Parameter.KEYWORD_ONLY) for p in own), *shared]

        def command(**given: object) -> None:
            values = {option.name: given.pop(option.name) for option in shared}
            simulate(Shared(**values), **given)  # type: ignore[arg-type]

        command.__doc__ = simulate.__doc__
        command.__annotations__ = {p.name: p.annotation for p in offered}
        command.__signature__ = signature(command).replace(  # type: ignore[attr-defined]
            parameters=offered
        )
        app.command(name)(command)

    return decorate


@_command("false-crown", paths=600_000, rounds=20, samples=120, **_CHALLENGE, shape="heavy")
def _false_crown(of: Shared) -> None:
    """Measure how often a challenger that is not better takes the crown, under three rules.

    sn37 simulate false-crown --paths 1000
    """
    setting = of.challenge()
    from sn37.app.simulate import challenge

    _measure(of, lambda p: challenge.false_crown(setting, paths=of.paths, seed=of.seed, progress=p))


@_command("lottery", paths=1_000, rounds=600, samples=300, **_CHALLENGE, shape="heavy")
def _lottery(of: Shared) -> None:
    """Measure how often a copy wins when a new copy is committed for every round.

    sn37 simulate lottery --paths 10
    """
    model = of.model()
    from sn37.app.simulate import lottery

    setting = lottery.Lottery(epsilon=of.epsilon, samples=of.samples, rounds=of.rounds, model=model)
    _measure(of, lambda p: lottery.figures(setting, paths=of.paths, seed=of.seed, progress=p))


@_command("power", paths=2_000, rounds=60, samples=300, **_CHALLENGE, shape="normal")
def _power(of: Shared, gain: Gains = None) -> None:
    """Measure how many rounds a challenger that is truly better needs to win.

    Infinite: more than --rounds.

    sn37 simulate power --gain 0.02 --paths 100
    """
    setting, gains = of.challenge(), gain or [0.01, 0.02, 0.03]
    from sn37.app.simulate import challenge

    _measure(
        of, lambda p: challenge.power(setting, gains, paths=of.paths, seed=of.seed, progress=p)
    )


@_command("racing", paths=1_000, rounds=3, samples=300, **_CHALLENGE, shape="heavy")
def _racing(
    of: Shared,
    models: Annotated[
        int, typer.Option("--models", min=2, max=MAX_COUNT, help="Models of a round.")
    ] = 20,
    gain_mean: Annotated[
        float,
        typer.Option(min=-MAX_GAIN, max=MAX_GAIN, help="Mean true gain over the champion."),
    ] = -0.05,
    gain_sd: Annotated[
        float, typer.Option(min=0, max=1, help="Standard deviation of the true gain.")
    ] = 0.05,
) -> None:
    """Measure how often stopping hopeless challengers changes the winner, and what it saves.

    sn37 simulate racing --paths 10 --models 5
    """
    model = of.model()
    from sn37.app.simulate import race

    setting = race.Field(
        num_models=models,
        gain_mean=gain_mean,
        gain_sd=gain_sd,
        epsilon=of.epsilon,
        samples=of.samples,
        rounds=of.rounds,
        model=model,
    )
    _measure(of, lambda p: race.figures(setting, paths=of.paths, seed=of.seed, progress=p))


@_command("noise", paths=5_000, rounds=200, samples=300, **_CHALLENGE, shape="normal")
def _noise(of: Shared, sd: Noise = 0.004) -> None:
    """Measure how often two validators disagree when their devices round differently.

    sn37 simulate noise --sd 0.004 --paths 100
    """
    equal = of.challenge()
    from sn37.app.simulate import noise

    def figures(progress: Progress) -> list[Figure]:
        result = []
        for ratio in (1.0, 1.2):
            setting = replace(equal, gain=ratio * of.epsilon)
            result += noise.disagreement(
                setting, paths=of.paths, seed=of.seed, progress=progress, noise_sd=sd
            )
        return result

    _measure(of, figures)


@_command(
    "multi-task",
    paths=20_000,
    rounds=40,
    samples=300,
    epsilon=0.01,
    shape="heavy",
    correlation=0.98,
)
def _multi_task(of: Shared, gain: Gain = 0.1) -> None:
    """Measure the rule with four tasks on different scales, two of them normalised by a curve.

    sn37 simulate multi-task --paths 100
    """
    setting = of.challenge()
    from sn37.app.simulate import multitask

    _measure(
        of, lambda p: multitask.figures(setting, gain, paths=of.paths, seed=of.seed, progress=p)
    )


@_command("attack", paths=60, rounds=60, samples=300, **_CHALLENGE)
def _attack(
    of: Shared,
    scenario: Annotated[str, typer.Argument(help="One of the scenarios above.")],
    gain: Gain = 0.01,
) -> None:
    """Play whole rounds in which one attack is tried on an honest challenger.

    Scenarios: power (no attack), clones, noisy-clones, crowded-clones,
    successor, abdication, attendance (--gain is the attacker's), odd-rows,
    rare-losses, known-rows, colluding-rows, tuned-rows, defended-rows,
    first-comer, leaders (slightly better, before the honest entry),
    crowding-rows (leaders on the rows of friends), backlog.

    With two tasks: two-tasks (no attack), two-task-clones, two-task-odd-rows,
    two-task-abdication, specialist (gains only in the task of 30 %), lopsided
    (the same, and loses 3 % in the other).

    sn37 simulate attack clones --paths 1 --rounds 20
    """
    setting = of.scenario(gain)
    from sn37.app.simulate import attacks, outcomes

    if scenario not in attacks.SCENARIOS:
        raise UsageError(
            f"SCENARIO {scenario}: unknown; choose from {', '.join(attacks.SCENARIOS)}"
        )
    _measure(
        of,
        lambda p: outcomes.figures(scenario, setting, paths=of.paths, seed=of.seed, progress=p),
    )


@_command("economy", rounds=2_000, runs=5, samples=300)
def _economy(
    of: Shared,
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
) -> None:
    """Measure what owners earn, by strategy and cost, on one subnet of 256 hotkeys.

    Income follows the standings; sn37 docs winner describes strategies and assumptions.

    sn37 simulate economy --strategy merger --runs 1
    """
    model = of.model()
    from sn37.app.simulate import costs, economy, market

    known = [name for name in economy.STRATEGIES if name not in economy.HONEST]
    for name in strategy or ():
        if name not in known:
            raise typer.BadParameter(f"--strategy {name}: choose from {', '.join(known)}")
    try:
        money, training = costs.assumed(assume or ())
    except ValueError as error:
        raise typer.BadParameter(f"--assume {error}") from error
    rules = market.Rules(samples=of.samples, model=model, costs=money, training=training)
    with _progress(of) as progress:
        lines = economy.table(
            rules,
            strategy or known,
            alone=alone,
            rounds=of.rounds,
            num_runs=of.runs,
            seed=of.seed,
            progress=progress,
        )
    if of.as_json:
        assumed = asdict(money) | asdict(training)
        rows = {"assumptions": assumed, "strategies": [_finite(asdict(line)) for line in lines]}
        typer.echo(json.dumps(rows, indent=2, allow_nan=False))
    else:
        for line in _account_lines(lines):
            typer.echo(line)


@_command("missed-rounds", rounds=1_000, runs=5, samples=300)
def _missed_rounds(
    of: Shared,
    sd: Noise = 0.004,
    missed: Annotated[
        float, typer.Option("--missed", min=0, max=1, help="Share of rounds that it misses.")
    ] = 0.2,
) -> None:
    """Measure how a validator that misses rounds agrees with one that misses none.

    With and without scoring the missed rounds later, in a competition of honest owners.

    sn37 simulate missed-rounds --runs 1
    """
    model = of.model()
    from sn37.app.simulate import absence, market

    if of.rounds <= absence.CUT:
        raise typer.BadParameter(f"--rounds {of.rounds}: the first {absence.CUT} do not count")
    habits = (
        absence.Habit(name="misses nothing"),
        absence.Habit(name=f"misses {missed:.0%}", missed=missed),
        absence.Habit(
            name=f"misses {missed:.0%}, scores them later", missed=missed, catches_up=True
        ),
    )
    rules = market.Rules(samples=of.samples, model=model)
    _measure(
        of,
        lambda p: absence.figures(
            rules, habits, rounds=of.rounds, num_runs=of.runs, seed=of.seed, noise=sd, progress=p
        ),
    )


@_command("withheld-rows", paths=40, rounds=400, samples=300, epsilon=0.005, correlation=0.98)
def _withheld_rows(
    of: Shared,
    gain: Gain = 0.02,
    rate: Annotated[
        list[float] | None,
        typer.Option("--rate", min=0, max=1, help="Share of withheld rounds; repeatable."),
    ] = None,
) -> None:
    """Measure what a champion earns, and how long it reigns, if rows are withheld.

    A challenger that is truly better gathers evidence in the rounds that are judged.

    sn37 simulate withheld-rows --rate 0.5 --paths 1
    """
    setting = of.scenario(gain)
    from sn37.app.simulate import withheld

    rates = rate or [0.0, 0.25, 0.5, 0.75, 0.9, 0.96]
    _measure(
        of, lambda p: withheld.figures(setting, rates, paths=of.paths, seed=of.seed, progress=p)
    )


def _measure(of: Shared, simulate: Callable[[Progress], list[Figure]]) -> None:
    with _progress(of) as progress:
        figures = simulate(progress)
    if of.as_json:
        # An infinite number of rounds is null: JSON has no infinity.
        rows = [asdict(f) | {"value": f.value if abs(f.value) < 1e308 else None} for f in figures]
        typer.echo(json.dumps({"figures": rows}, indent=2, allow_nan=False))
    else:
        _print_table(figures)


@contextmanager
def _progress(of: Shared) -> Iterator[Progress]:
    from sn37.app.cli.terminal.progress import counted

    with counted("simulate", quiet=of.as_json) as told:
        yield lambda done, total: told("trials", done, total)


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


def _account_lines(lines: list[Line]) -> Iterator[str]:
    """Yield a table of at most 80 columns, with the 95 % interval below each mean."""
    rows: list[tuple[str, ...]] = [
        ("", "$ a day,", "share", "income", "over all", "income per $"),
        ("strategy", "owner", "of pay", "per $", "honest", "over its twin"),
    ]
    kind = None
    for line in lines:
        if line.kind is not kind:
            kind = line.kind
            rows += [(), (f"{kind}:",)]
        owners = "" if line.num_owners == 1 else f" ({line.num_owners})"
        measured = ((line.share, 3), (line.per_cost, 2), (line.relative, 2), (line.over_twin, 2))
        means = [_number(figure.value, digits) for figure, digits in measured]
        means[-1] += f" {line.twin}"
        rows.append((line.strategy + owners, f"{line.cost_day.value:.0f}", *means))
        rows.append(("", "", *(_interval(figure, digits) for figure, digits in measured)))
    widths = [max(len(row[n]) for row in rows if n < len(row)) for n in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=False)).rstrip()
    yield ""
    yield "twin: the honest strategy of about the same cost; below each mean: 95 % interval"


def _interval(figure: Figure, digits: int) -> str:
    if figure.low is None:
        return ""
    return f"{_number(figure.low, digits)}..{_number(figure.high, digits)}"


def _number(value: float | None, digits: int) -> str:
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.{digits if abs(value) < 100 else 0}f}"

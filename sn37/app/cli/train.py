"""``sn37 miner train``: fine-tune a model on rows of the data sources."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.cli.ending import warn_of_ending
from sn37.app.errors import CommandError, UsageError

if TYPE_CHECKING:
    from sn37.app.config.settings import Settings

_NEEDED = ("torch", "transformers", "peft", "accelerate", "matplotlib", "blake3", "numpy")
_SETTINGS = ("config", "network", "state_dir", "device", "dtype", "threads", "schedule")


def train(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="TOML file of the run; --example prints one."),
    ] = None,
    example: Annotated[
        int | None,
        typer.Option(
            metavar="COMPETITION", help="Print a commented example file for a competition."
        ),
    ] = None,
    data_only: Annotated[
        bool,
        typer.Option(
            "--data-only", help="Read the rows and stop; run it before accelerate launch."
        ),
    ] = False,
    config: options.Config = None,
    network: options.Network = None,
    state_dir: options.StateDir = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    threads: options.Threads = None,
    schedule: options.ScheduleFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Fine-tune a model; repeat the command to continue an interrupted run.

    sn37 miner train --example 1
    sn37 miner train train.toml
    """
    flags = dict(locals())
    from sn37.app.config.settings import load_settings  # slow to import

    settings = load_settings({name: flags[name] for name in _SETTINGS})
    if example is not None and (file is not None or data_only or as_json):
        raise UsageError("--example prints a TOML file: leave out FILE, --data-only and --json")
    if data_only and as_json:
        raise UsageError("--data-only prints nothing: leave out --json")
    if example is not None:
        _print_example(example, settings)
    elif file is None:
        raise UsageError("name a file: sn37 miner train FILE; --example COMPETITION prints one")
    else:
        _train(file, settings, data_only=data_only, as_json=as_json)


def _print_example(competition: int, settings: Settings) -> None:
    from sn37.app.schedule.lookup import competition_of, rules_of_network
    from sn37.app.training.example_config import example_for

    loaded = rules_of_network(settings)
    rules = competition_of(loaded, competition)
    warn_of_ending(loaded, competition)
    typer.echo(example_for(rules, settings), nl=False)


def _train(file: Path, settings: Settings, *, data_only: bool, as_json: bool) -> None:
    from sn37.app.cli.terminal.progress import shown
    from sn37.app.schedule.lookup import rules_of_network
    from sn37.app.training.config import load_config
    from sn37.app.training.run import is_first_process, prepare, train
    from sn37.app.wiring.machine import Machine

    asked, machine = load_config(file), Machine(settings)
    if is_first_process():
        warn_of_ending(rules_of_network(settings), asked.competition)
    needed = _NEEDED if asked.wandb_project is None else (*_NEEDED, "wandb")
    if missing := [name for name in needed if find_spec(name) is None]:
        raise CommandError(
            f"training needs {', '.join(missing)}, which is not installed: run pip install "
            f"'sn37[train]'{'' if asked.wandb_project is None else ' wandb'}"
        )
    with shown(quiet=not is_first_process()) as progress:
        if data_only:
            prepare(asked, machine, progress)
            return
        try:
            trained = train(asked, machine, progress)
        except KeyboardInterrupt:
            raise CommandError("interrupted; repeat the command to continue") from None
    if not is_first_process():
        return
    if as_json:
        typer.echo(json.dumps({**asdict(trained), "folder": str(trained.folder)}, indent=2))
        return
    typer.echo(
        f"{trained.folder}: score {trained.score:.4f} on held-out samples after "
        f"{trained.step} steps; the base has {trained.base_score:.4f}"
    )
    if trained.score >= trained.base_score:
        typer.echo("training did not improve the base: try another learning_rate, or more rows")
    typer.echo(f"next: sn37 miner evaluate {trained.folder} --competition {asked.competition}")

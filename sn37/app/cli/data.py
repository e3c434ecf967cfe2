"""``sn37 data``: show samples of data sources, and check a source that you wrote."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.config.number_limits import MAX_BLOCK, MAX_COUNT
from sn37.app.errors import UsageError

if TYPE_CHECKING:
    from sn37.app.config.settings import Settings
    from sn37.app.data_tools.requests import Asked
    from sn37.app.data_tools.training_overlap import Compared, Rows
    from sn37.domain.check_line import Check
    from sn37.domain.ids import Block, Seed

app = typer.Typer(
    name="data",
    help="Show samples of data sources, and check a source that you wrote.",
    no_args_is_help=True,
)

Name = Annotated[
    str, typer.Argument(help="Entry point of the source; simnet: the simulated network's feed.")
]
Parameter = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE", help="Parameter of the source; overrides the schedule's; repeatable."
    ),
]
ScheduleName = Annotated[
    str | None, typer.Option("--schedule", help="A file or preset that names the source.")
]
AtBlock = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MAX_BLOCK,
        metavar="BLOCK",
        help="Read what a round at this block would read; needs the chain.",
    ),
]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="Start of the window, UTC.")]
Until = Annotated[
    str | None, typer.Option(metavar="TIME", help="End of the window, UTC, exclusive.")
]
Trusted = Annotated[
    list[str] | None, typer.Option(metavar="HOTKEY", help="Trusted signer; repeatable.")
]


Training = Annotated[
    str,
    typer.Argument(
        metavar="TRAINING",
        help="A training set: a folder or file (.jsonl, .parquet, .txt), or a source's name.",
    ),
]
NumSought = Annotated[
    int, typer.Option(min=1, max=MAX_COUNT, help="Rows of SOURCE to look for, at most.")
]
AtMost = Annotated[
    float, typer.Option(min=0, max=1, help="Largest share of known rows that passes.")
]
SeedOfSource = Annotated[str | None, typer.Option(help="Seed by which rows of SOURCE are drawn.")]
TrainingSeed = Annotated[str, typer.Option(help="The same for TRAINING, if it is a source.")]
TrainingCount = Annotated[
    int, typer.Option(min=1, max=MAX_COUNT, help="Rows of TRAINING, if it is a source; at most.")
]


@app.command()
def sample(
    name: Name,
    seed: Annotated[
        str | None,
        typer.Option(help="A number or 0x...; by default the seed of the round at --block."),
    ] = None,
    count: options.Count = 10,
    block: AtBlock = None,
    since: Since = None,
    until: Until = None,
    trusted: Trusted = None,
    parameter: Parameter = None,
    schedule: ScheduleName = None,
    config: options.Config = None,
    network: options.Network = None,
    endpoint: options.Endpoint = None,
    state_dir: options.StateDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Collect a source's rows, draw samples as a round does, and print them.

    sn37 data sample word_sorting --seed 7 --count 3
    """
    from sn37.app.data_tools.sample import sample as draw_sample
    from sn37.app.wiring.machine import Machine
    from sn37.app.wiring.plugins import installed_plugin
    from sn37.domain.ids import Block

    settings = _settings(config, network, endpoint, state_dir)
    asked = _asked(name, parameter, schedule, since, until, trusted)
    if block is not None and (since or until or trusted):
        raise UsageError("--block sets window and signers: leave out --since, --until, --trusted")
    machine = Machine(settings)
    drawn = asyncio.run(
        draw_sample(
            asked,
            settings,
            find=installed_plugin,
            open_data=machine.data,
            count=count,
            block=None if block is None else Block(block),
            seed=_seed(seed),
        )
    )
    if as_json:
        typer.echo(json.dumps(drawn.document(), indent=2))
        return
    title = f"{count} samples of {name}, seed 0x{drawn.seed:x}"
    machine.container.sample_table()(title, drawn.samples, drawn.collected)


@app.command()
def check(
    name: Annotated[str, typer.Argument(metavar="PLUGIN", help="Name of its entry point.")],
    count: Annotated[
        int, typer.Option(min=1, max=MAX_COUNT, help="Samples to draw from a static source.")
    ] = 10,
    block: AtBlock = None,
    since: Since = None,
    until: Until = None,
    trusted: Trusted = None,
    parameter: Parameter = None,
    schedule: ScheduleName = None,
    config: options.Config = None,
    network: options.Network = None,
    endpoint: options.Endpoint = None,
    state_dir: options.StateDir = None,
    as_json: options.AsJson = False,
) -> int:
    """Check that an installed source keeps the contract; exit code 1 when it does not.

    Reads the source several times, also in processes with another hash seed, locale and time
    zone.

    sn37 data check word_sorting
    """
    from sn37.app.samples.plugins import SIMNET_SOURCE
    from sn37.domain.check_line import Grade

    if name == SIMNET_SOURCE:
        raise UsageError(
            "simnet's rows come from the simulation, not from a plug-in: "
            "sn37 data sample simnet shows them"
        )
    settings = _settings(config, network, endpoint, state_dir)
    asked = _asked(name, parameter, schedule, since, until, trusted)
    checks = asyncio.run(_check(asked, settings, block, count, shown=not as_json))
    if as_json:
        typer.echo(json.dumps([asdict(c) for c in checks], indent=2))
    return 1 if any(c.grade is Grade.FAILED for c in checks) else 0


@app.command()
def overlap(
    training: Training,
    name: Annotated[str, typer.Argument(metavar="SOURCE", help="Entry point of the source.")],
    count: NumSought = 1000,
    at_most: AtMost = 0.0,
    seed: SeedOfSource = None,
    training_seed: TrainingSeed = "1",
    training_count: TrainingCount = 10_000,
    training_since: Since = None,
    training_until: Until = None,
    block: AtBlock = None,
    since: Since = None,
    until: Until = None,
    trusted: Trusted = None,
    parameter: Parameter = None,
    schedule: ScheduleName = None,
    config: options.Config = None,
    network: options.Network = None,
    endpoint: options.Endpoint = None,
    state_dir: options.StateDir = None,
    as_json: options.AsJson = False,
) -> int:
    """Find rows of a source in a training set: those that share 13 words in a row.

    Exit code 1 when more of them than --at-most are known. Runs of words that more than ten rows
    of the source have are its wording, and do not count.

    sn37 data overlap train.jsonl word_sorting --seed 7 --at-most 0.01
    """
    from sn37.app.data_tools.training_overlap import Rows
    from sn37.domain.printable import one_line

    if Path(name).is_file():
        raise UsageError(
            f"{name}: a file, where a source is expected; sn37 receipts overlap compares two "
            "receipts"
        )
    if block is not None and (since or until or trusted):
        raise UsageError("--block sets window and signers: leave out --since, --until, --trusted")
    settings = _settings(config, network, endpoint, state_dir)
    asked = _asked(name, parameter, schedule, since, until, trusted)
    source = Rows(asked=asked, count=count, block=_block(block), seed=_seed(seed))
    asked = _asked(training, None, schedule, training_since, training_until, trusted)
    at = None if training_since or training_until else _block(block)
    other = Rows(asked=asked, count=training_count, block=at, seed=_seed(training_seed))
    compared = _compared(source, Path(training) if Path(training).exists() else other, settings)
    if as_json:
        typer.echo(json.dumps(compared.document(), indent=2))
    else:
        for line in compared.lines():
            typer.echo(one_line(line))
    return 1 if compared.found.source.share > at_most else 0


def _compared(source: Rows, training: Path | Rows, settings: Settings) -> Compared:
    from sn37.app.data_tools.training_overlap import find_overlap
    from sn37.app.wiring.machine import Machine
    from sn37.app.wiring.plugins import installed_plugin, local_texts

    return asyncio.run(
        find_overlap(
            source,
            training,
            settings,
            find=installed_plugin,
            open_data=Machine(settings).data,
            read_texts=local_texts,
        )
    )


async def _check(
    asked: Asked, settings: Settings, block: int | None, count: int, *, shown: bool
) -> Sequence[Check]:
    from datetime import UTC, datetime

    from sn37.app.data_tools.check import check_source
    from sn37.app.data_tools.requests import find_target, request_at, request_by_time
    from sn37.app.samples.sources import Sources
    from sn37.app.wiring.networks import open_data
    from sn37.app.wiring.plugins import installed_plugin
    from sn37.domain.ids import Block

    at = None if block is None else Block(block)
    target = await find_target(asked, settings, Sources(installed_plugin), block=at)
    if at is None:
        request = request_by_time(asked, target.source, now=datetime.now(UTC))
    else:
        async with open_data(settings, block=at) as (chain, _):
            request, _ = await request_at(chain, target, at)
    checks = []
    async for found in check_source(target.source, request, installed_plugin, count=count):
        checks.append(found)
        if shown:
            typer.echo(found.line)
    return checks


def _asked(
    name: str,
    parameters: list[str] | None,
    schedule: str | None,
    since: str | None,
    until: str | None,
    trusted: list[str] | None,
) -> Asked:
    from sn37.app.data_tools.requests import Asked, moment
    from sn37.app.mining.base_sources import hotkey_of

    return Asked(
        name=name,
        parameters=parameters or (),
        schedule=schedule,
        since=moment(since) if since else None,
        until=moment(until) if until else None,
        trusted=[hotkey_of(hotkey) for hotkey in trusted or ()],
    )


def _settings(
    config: Path | None,
    network: str | None,
    endpoint: list[str] | None,
    state_dir: Path | None,
) -> Settings:
    from sn37.app.config.settings import load_settings

    return load_settings(
        {"config": config, "network": network, "endpoint": endpoint, "state_dir": state_dir}
    )


def _block(number: int | None) -> Block | None:
    from sn37.domain.ids import Block

    return None if number is None else Block(number)


def _seed(text: str | None) -> Seed | None:
    from sn37.domain.ids import Seed

    if text is None:
        return None
    try:
        value = int(text, 0)
    except ValueError as error:
        raise UsageError(f"--seed {text}: expected a number, for example 7 or 0x7") from error
    if not 0 <= value < 2**256:
        raise UsageError(f"--seed {text}: must be from 0 to 2**256 - 1")
    return Seed(value)

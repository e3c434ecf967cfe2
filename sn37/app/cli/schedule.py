"""``sn37 schedule``: check, print and compare the rules that all validators share."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.cli.terminal.reporting import report
from sn37.app.config.number_limits import MAX_BLOCK, MAX_COUNT
from sn37.app.errors import CommandError, UsageError
from sn37.domain.canonical import as_json as as_json_value

if TYPE_CHECKING:
    from sn37.app.schedule.load import LoadedSchedule, TemplateProblem
    from sn37.domain.canonical import JsonValue
    from sn37.domain.check_line import Check

app = typer.Typer(
    name="schedule",
    help="Check, print and compare schedules of competitions.",
    no_args_is_help=True,
)

SCHEDULE_HELP = "A TOML file, or the name of a preset: finney, simnet, chat_reasoning."
File = Annotated[str, typer.Argument(metavar="FILE", help=SCHEDULE_HELP)]

At = Annotated[
    int | None,
    typer.Option(
        min=0, max=MAX_BLOCK, metavar="BLOCK", help="Only the rules that apply at this block."
    ),
]


@app.command()
def check(
    file: File,
    structure_only: Annotated[
        bool,
        typer.Option("--structure-only", help="Do not check sources and methods of this version."),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Check that a validator here could run a schedule, and warn of doubtful values.

    sn37 schedule check simnet
    """
    from sn37.app.schedule import advice as schedule_view
    from sn37.app.schedule.load import PRESETS
    from sn37.app.schedule.pins import require_pinned
    from sn37.app.wiring.machine import renderer, scored_architectures
    from sn37.app.wiring.start_checks import require_checks

    render = renderer()
    loaded = _load(file, render)
    warned: Sequence[Check] = ()
    if structure_only:
        require_pinned(loaded.schedule, loaded.origin)
    else:
        warned = asyncio.run(require_checks(loaded, is_simulated=True))
    if undecided := schedule_view.undecided_lines(loaded.schedule):
        raise CommandError(f"{loaded.origin}: {undecided[0]}")
    unburnt = schedule_view.unburnt_lines(loaded.schedule)
    if unburnt and file not in PRESETS:
        raise CommandError(f"{loaded.origin}: {unburnt[0]}")
    doubts = (
        *(check.finding for check in warned),
        *schedule_view.warnings(
            loaded.schedule, scorable=scored_architectures(), renders_templates=render is not None
        ),
        *unburnt,
    )
    worth = schedule_view.leverage_lines(loaded.schedule)
    stale = schedule_view.sources_without_freshness(loaded.schedule)
    if as_json:
        _print_json(
            {
                "schedule": loaded.origin,
                "fingerprint": loaded.fingerprint,
                "warnings": list(doubts),
                "sources_without_freshness": list(stale),
                "gains": list(worth),
            }
        )
        return
    for line in worth:
        typer.echo(line)
    for doubt in doubts:
        typer.echo(f"warning: {doubt}")
    if stale:
        typer.echo(f"no freshness, protected only by the later block hash: {', '.join(stale)}")
    num = len(loaded.schedule.stages)
    stages = "1 stage" if num == 1 else f"{num} stages"
    typer.echo(f"{loaded.origin}: valid, {stages}, fingerprint {loaded.fingerprint}")


@app.command()
def pin(
    file: File,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write; by default the file itself."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Write today's commits of data sets and tokenizers into a schedule, in the place of branches.

    Reads the footers of all files of each data set, and keeps them for later draws.

    sn37 schedule pin schedule.toml --output pinned.toml
    """
    from sn37.app.samples.sources import PIN_DEADLINE_S, Sources
    from sn37.app.schedule.load import PRESETS, read_schedule
    from sn37.app.schedule.pins import pin as pin_text
    from sn37.app.wiring.machine import model_commit
    from sn37.app.wiring.plugins import installed_plugin
    from sn37.durable import write_whole

    if output is None and file in PRESETS:
        raise UsageError(f"{file} is a preset: name the file to write with --output")
    _load(file)
    target = output or Path(file)
    _, text = read_schedule(file)
    sources = Sources(installed_plugin, deadline_s=PIN_DEADLINE_S)
    changed, found = asyncio.run(pin_text(text, sources.pin, model_commit))
    try:
        write_whole(target, changed.encode())
    except OSError as error:
        raise CommandError(f"{target}: {error.strerror or error}") from error
    fingerprint = _load(str(target)).fingerprint
    if as_json:
        pinned = as_json_value(found)
        _print_json({"schedule": str(target), "fingerprint": fingerprint, "pinned": pinned})
        return
    for change in found:
        told = f"; {change.told}" if change.told else ""
        typer.echo(f"{change.where}: {change.old} -> {change.new['revision']}{told}")
    typer.echo(f"{target}: {len(found)} revisions pinned, fingerprint {fingerprint}")


@app.command()
def new(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Name of an installed data source.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="File to write.")],
    parameter: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A parameter of the source; repeatable."),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="Method of the task; by default the source's usual one."),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=1, max=MAX_COUNT, help="Number of samples in a round.")
    ] = 100,
    as_json: options.AsJson = False,
) -> None:
    """Write a small schedule around one data source, to try on the simulated network.

    sn37 schedule new word_sorting --out schedule.toml --samples 50
    """
    from sn37.app.data_tools.new_source import described_source, require_opens
    from sn37.app.data_tools.requests import given_parameters
    from sn37.app.samples.sources import Sources
    from sn37.app.schedule.new_schedule import method_for, method_named, new_schedule
    from sn37.app.wiring.plugins import installed_plugin
    from sn37.durable import write_whole

    wanted = None if method is None else method_named(method)
    sources, given = Sources(installed_plugin), given_parameters(parameter or ())
    if out.exists():
        raise UsageError(f"--out {out}: exists; name another file, or remove it")
    found = asyncio.run(described_source(source, given, sources))
    chosen = method_for(found, wanted)
    asyncio.run(require_opens(found, sources))
    text = new_schedule(found, chosen, num_samples=samples, file=str(out))
    try:
        write_whole(out, text.encode())
    except OSError as error:
        raise CommandError(f"--out {out}: {error.strerror or error}") from error
    step = "pin" if found.is_open else "check"
    following = f"sn37 schedule {step} {out}"
    document = {"schedule": str(out), "source": source, "method": chosen.value, "next": following}
    said = f"{out}: {source}, scored by {chosen.value}; next: {following}"
    report(document, said, as_json=as_json)


@app.command()
def show(
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help=SCHEDULE_HELP)] = None,
    at: At = None,
    network: options.Network = None,
    as_toml: Annotated[
        bool, typer.Option("--toml", help="Print a commented file of the schedule to start from.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Print the competitions of all stages; by default of the network's preset.

    sn37 schedule show finney
    sn37 schedule show --network simnet --at 0 --json
    """
    from sn37.app.config.settings import load_settings
    from sn37.app.schedule.advice import competition_lines
    from sn37.app.schedule.load import preset_of
    from sn37.domain.ids import Block

    if file is not None and network is not None:
        raise UsageError(f"{file} and --network {network} exclude each other: give one of them")
    loaded = _load(file or preset_of(load_settings({"network": network}).network))
    if as_toml:
        from sn37.app.schedule.toml_schedule import toml_of

        if as_json or at is not None:
            raise UsageError("--toml prints the whole schedule: leave out --json and --at")
        typer.echo(toml_of(loaded), nl=False)
        return
    schedule = loaded.schedule
    stages = {stage.from_block: stage.competitions for stage in schedule.stages}
    if at is not None:
        stages = {Block(at): schedule.at(Block(at))}
    if as_json:
        shown = as_json_value(schedule if at is None else schedule.at(Block(at)))
        _print_json({"fingerprint": loaded.fingerprint, "schedule": shown})
        return
    typer.echo(f"{loaded.origin}, netuid {schedule.netuid}, fingerprint {loaded.fingerprint}")
    typer.echo(
        f"a round every {schedule.timing.cadence} blocks; "
        f"at most {schedule.max_new_entries} new entries; "
        f"warm-up of {schedule.warmup_rounds} round{'' if schedule.warmup_rounds == 1 else 's'}"
    )
    typer.echo(
        f"standings by {schedule.standings.value.replace('_', ' ')}; "
        f"miners commit {schedule.commitment_format.value} texts"
    )
    for block, competitions in stages.items():
        typer.echo(f"\n{'from' if at is None else 'at'} block {block}")
        for competition in competitions:
            for line in competition_lines(competition, loaded.summary_at(block, competition)):
                typer.echo(f"  {line}")
        if not competitions:
            typer.echo("  no competition runs")


@app.command()
def levels(
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help=SCHEDULE_HELP)] = None,
    config: options.Config = None,
    network: options.Network = None,
    state_dir: options.StateDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Propose a level for each task: the champion's mean loss when the newest stage began.

    Reads the record of a validator in --state-dir. FILE is by default the network's preset.

    sn37 schedule levels --network simnet --state-dir STATE
    """
    from sn37.app.config.settings import load_settings
    from sn37.app.schedule.levels import propose_levels
    from sn37.app.schedule.load import preset_of
    from sn37.app.wiring.machine import Machine

    flags = {"config": config, "network": network, "state_dir": state_dir}
    settings = load_settings(flags)
    loaded = _load(file or preset_of(settings.network))
    found = propose_levels(Machine(settings).recorded_state(), loaded.schedule)
    if not found:
        raise CommandError(
            f"{settings.state_dir}: no champion of {loaded.origin} was scored; "
            "name a validator's folder with --state-dir"
        )
    if as_json:
        _print_json([as_json_value(proposed) for proposed in found])
        return
    for proposed in found:
        plural = "round" if proposed.num_rounds == 1 else "rounds"
        typer.echo(
            f"# {proposed.name}: mean of {proposed.num_rounds} {plural} since block "
            f"{proposed.from_block}; for the tasks of a new stage"
        )
        for task, level in proposed.levels.items():
            typer.echo(f"{task}: level = {level:g}")


@app.command()
def diff(old: File, new: File, as_json: options.AsJson = False) -> None:
    """Print the differences between two schedules.

    sn37 schedule diff finney simnet
    """
    from sn37.app.schedule.advice import differences

    before, after = _load(old), _load(new)
    found = differences(before.schedule, after.schedule)
    if as_json:
        _print_json([{"where": d.where, "old": d.old, "new": d.new} for d in found])
        return
    for difference in found:
        old_text, new_text = (
            "-" if value is None else json.dumps(value)
            for value in (difference.old, difference.new)
        )
        typer.echo(f"{difference.where}: {old_text} -> {new_text}")
    if not found:
        typer.echo(f"no difference; fingerprint {before.fingerprint}")


def _load(source: str, template_problem: TemplateProblem | None = None) -> LoadedSchedule:
    from sn37.app.schedule.load import ScheduleError, load_schedule

    try:
        return load_schedule(source, template_problem=template_problem)
    except ScheduleError as error:
        raise CommandError(str(error), page="schedules") from error


def _print_json(value: JsonValue) -> None:
    typer.echo(json.dumps(value, indent=2))

"""``sn37 status``: what a validator does now, or where the submissions of a hotkey are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.cli.status.words import moment_text
from sn37.app.cli.terminal.source import tell_source
from sn37.app.errors import UsageError

if TYPE_CHECKING:
    from sn37.app.config.settings import Settings
    from sn37.app.status.validator_status import CompetitionNow, ValidatorStatus

SETTINGS = ("config", "network", "netuid", "state_dir", "schedule")
HotkeyArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="HOTKEY", help="Show the submissions of this hotkey instead of the validator."
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="URL",
        help="Ask the leaderboard at this address, not the record in the state folder.",
    ),
]

TestWebhook = Annotated[
    bool,
    typer.Option("--test-webhook", help="Send one message to the webhook of the settings instead."),
]


def status(
    hotkey: HotkeyArgument = None,
    source: From = None,
    test_webhook: TestWebhook = False,
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    schedule: options.ScheduleFile = None,
    as_json: options.AsJson = False,
) -> int:
    """Print what the validator does now, or the status of a hotkey's submissions.

    Reads the files in the state folder; the validator may be running, and is not delayed. Exit code
    0: healthy, or the hotkey has submissions; 1: not.

    sn37 status --network simnet
    sn37 status HOTKEY --from https://HOST
    """
    flags = {k: v for k, v in locals().items() if k in SETTINGS}
    from sn37.app.config.settings import load_settings  # slow to import

    settings = load_settings(flags)
    if test_webhook:
        from sn37.app.wiring.notifications import try_webhook

        took = try_webhook(settings)
        typer.echo(json.dumps({"took": took}) if as_json else took)
        return 0
    if hotkey is not None:
        return _show_submissions(settings, hotkey, source, as_json=as_json)
    if source is not None:
        raise UsageError(
            f"--from {source}: name the hotkey whose submissions it should show; who leads is "
            "on the page itself"
        )
    from sn37.app.wiring.status import look_at_validator
    from sn37.domain.canonical import as_json as as_json_value

    found = look_at_validator(settings)
    if as_json:
        typer.echo(
            json.dumps({**_plain(as_json_value(found)), "is_healthy": found.is_healthy}, indent=2)
        )
    else:
        for line in _lines(found):
            typer.echo(line)
    return 0 if found.is_healthy else 1


def _plain(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"expected fields, not {value!r}")
    return value


def _show_submissions(settings: Settings, hotkey: str, source: str | None, *, as_json: bool) -> int:
    from sn37.app.cli.status.submissions import submission_lines
    from sn37.app.mining.base_sources import hotkey_of
    from sn37.app.status.submissions import submissions_of
    from sn37.app.wiring.leaderboard import open_leaderboard, open_remote
    from sn37.domain.canonical import as_json as as_json_value

    whose = hotkey_of(hotkey)
    if source is not None:
        found = submissions_of(open_remote(source), whose)
    else:
        board = open_leaderboard(settings)
        board.read_history()
        found = submissions_of(board, whose)
    if as_json:
        typer.echo(json.dumps(as_json_value(found), indent=2))
    elif found is None:
        where = source or str(settings.state_dir)
        typer.echo(f"{whose} has no submission in the record of {where}")
    else:
        for line in submission_lines(found):
            typer.echo(line)
    if not as_json:
        tell_source(source)
    return 1 if found is None else 0


def _lines(found: ValidatorStatus) -> Iterator[str]:
    yield f"validator   {_life(found)}"
    yield f"network     {found.network}, {found.state_dir}"
    if found.block is not None:
        age = "" if found.block_age_s is None else f", arrived {_age(found.block_age_s)} ago"
        yield f"block       {moment_text(found.block)}{age}"
    if found.set_up:
        yield f"set-up      {found.set_up}"
    for step in found.steps:
        yield f"doing       {step.actor}: {step.doing}, since {_time(step.since)}"
    if found.next_round is not None:
        yield f"next round  {moment_text(found.next_round)}"
    for competition in found.competitions:
        yield from _competition(competition)
    if (sent := found.weights) is not None:
        age = "" if sent.age_blocks is None else f", {_blocks(sent.age_blocks)} ago"
        yield (
            f"weights     of the round of block {sent.round.block}, sent at block "
            f"{moment_text(sent.sent)}{age}"
        )
    elif found.competitions:
        yield "weights     none sent yet"
    if found.free_bytes is not None:
        yield f"disk        {found.free_bytes / 1e9:,.1f} GB free"
    if found.leaderboard:
        yield f"pages       {found.leaderboard}"
    for problem in found.problems:
        yield f"problem     {problem}"
    if found.is_healthy:
        yield "health      ok"


def _life(found: ValidatorStatus) -> str:
    if found.life == "running" and found.since is not None:
        return (
            f"{found.life} since {_time(found.since)}, version {found.version}, process {found.pid}"
        )
    if found.life == "not running" and found.last_seen is not None:
        return f"{found.life}: {found.ended}, last seen {_time(found.last_seen)}"
    return found.life.value


def _competition(found: CompetitionNow) -> Iterator[str]:
    champion = f"champion {found.champion}" if found.champion else "no champion"
    warm_up = f", warm-up: {_rounds(found.warm_up_left)} left" if found.warm_up_left else ""
    yield f"competition {found.id} {found.name}: {champion}, {found.num_waiting} waiting{warm_up}"
    if (opened := found.open_round) is None:
        return
    line = (
        f"            scoring the round of block {moment_text(opened.round)}: "
        f"{opened.num_done} of {opened.num_entries} models done"
    )
    if opened.blocks_done is not None:
        line += f", {opened.entry} at block {opened.blocks_done} of {opened.num_blocks}"
    yield line


def _rounds(count: int) -> str:
    return "1 round" if count == 1 else f"{count} rounds"


def _blocks(count: int) -> str:
    return "1 block" if count == 1 else f"{count:,} blocks"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"

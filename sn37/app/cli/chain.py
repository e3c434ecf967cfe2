"""``sn37 chain``: read the chain; nothing is ever sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from sn37.app.cli import options
from sn37.app.errors import CommandError
from sn37.domain.ids import CompetitionId, Netuid
from sn37.ports.errors import CONNECTION_ADVICE, ChainUnavailable

if TYPE_CHECKING:
    from sn37.app.config.settings import Settings
    from sn37.domain.check_line import Check
    from sn37.domain.ids import BlockRef
    from sn37.domain.submission.base_models import BaseModel
    from sn37.domain.submission.commitment import Commitment, CommitmentBook, MalformedCommitment

_T = TypeVar("_T")

app = typer.Typer(name="chain", help="Read the chain; nothing is ever sent.", no_args_is_help=True)


@app.command()
def check(
    config: options.Config = None,
    network: options.Network = None,
    endpoint: options.Endpoint = None,
    netuid: options.Netuid = None,
    wallet: options.Wallet = None,
    wallet_hotkey: options.WalletHotkey = None,
    wallet_path: options.WalletPath = None,
    state_dir: options.StateDir = None,
    schedule: options.ScheduleFile = None,
    as_json: options.AsJson = False,
) -> int:
    """Check that a validator could run here, follow this network and set weights on it now.

    Begins with the data sets and tasks of the schedule, as sn37 doctor --network does. Composes
    weights and asks for their fee, but sends nothing. Exit code 1 when a check failed; 0 when
    there are only warnings.

    sn37 chain check --network test --wallet NAME
    """
    settings = _settings({k: v for k, v in locals().items() if k != "as_json"})
    checks = asyncio.run(_check(settings, shown=not as_json))
    if as_json:
        typer.echo(json.dumps([asdict(c) for c in checks], indent=2))
    from sn37.domain.check_line import Grade

    return 1 if any(c.grade is Grade.FAILED for c in checks) else 0


@app.command()
def commitments(
    config: options.Config = None,
    network: options.Network = None,
    endpoint: options.Endpoint = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the commitments of the subnet's miners, in order of precedence.

    sn37 chain commitments --network finney --json
    """
    settings = _settings({k: v for k, v in locals().items() if k != "as_json"})
    head, book = _read(_commitments(settings))
    ordered = sorted(book.well_formed.values(), key=lambda c: c.precedence)
    malformed = sorted(book.malformed.values(), key=lambda m: (m.block, m.hotkey))
    if as_json:
        rows = [*map(_row, ordered), *map(_malformed_row, malformed)]
        typer.echo(json.dumps({"block": head.number, "commitments": rows}, indent=2))
        return
    typer.echo(f"subnet {settings.netuid} at block {head.number}, {head.hash}")
    for c in ordered:
        typer.echo(
            f"{c.block:>9}  {c.hotkey}  competition {c.competition}  "
            f"{c.model.repo}@{c.model.revision[:12]}"
        )
    for m in malformed:
        typer.echo(f"{m.block:>9}  {m.hotkey}  names no model: {m.fault.value}, {m.detail}")
    if not ordered and not malformed:
        typer.echo("no commitments")


@app.command("base-models")
def base_models(
    config: options.Config = None,
    network: options.Network = None,
    endpoint: options.Endpoint = None,
    state_dir: options.StateDir = None,
    base_netuid: Annotated[int, typer.Option(help="Number of the subnet that pre-trains.")] = 9,
    competition: Annotated[
        list[int] | None,
        typer.Option(help="Only models of this competition of that subnet; repeatable."),
    ] = None,
    default_competition: Annotated[
        int | None,
        typer.Option(
            help="Competition of commitments that name none; by default they are left out."
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the models of the pre-training subnet by incentive; a miner can start from them.

    sn37 chain base-models --base-netuid 9
    """
    settings = _settings(
        {"config": config, "network": network, "endpoint": endpoint, "state_dir": state_dir}
    )
    ranked = _read(_base_models(settings, base_netuid, competition, default_competition))
    if as_json:
        rows = [{"incentive": m.incentive, **_row(m.commitment)} for m in ranked]
        typer.echo(json.dumps(rows, indent=2))
        return
    for model in ranked:
        c = model.commitment
        typer.echo(
            f"{model.incentive:.4f}  {c.hotkey}  competition {c.competition}  "
            f"{c.model.repo}@{c.model.revision[:12]}"
        )
    if not ranked:
        typer.echo(f"no model with incentive on subnet {base_netuid}")


def _read(reading: Coroutine[None, None, _T]) -> _T:
    """Return what is read from the chain.

    Raises:
        CommandError: No endpoint answered; says what to check.
    """
    try:
        return asyncio.run(reading)
    except ChainUnavailable as error:
        raise CommandError(f"{error}; {CONNECTION_ADVICE}") from error


async def _base_models(
    settings: Settings, netuid: int, competitions: list[int] | None, default: int | None
) -> tuple[BaseModel, ...]:
    from sn37.app.wiring.networks import open_chain

    async with open_chain(settings) as chain:
        return await chain.base_models(
            await chain.head(),
            netuid=Netuid(netuid),
            default_competition=None if default is None else CompetitionId(default),
            competitions=set(map(CompetitionId, competitions)) if competitions else None,
        )


async def _check(settings: Settings, *, shown: bool) -> list[Check]:
    from sn37.app.wiring.start_checks import checks_of_network, checks_on_chain

    checks: list[Check] = []

    def note(check: Check) -> None:
        checks.append(check)
        if shown:
            typer.echo(check.line)

    async for found in checks_of_network(settings):
        note(found)
    wallet, check_chain = checks_on_chain(settings, is_wallet_needed=False)
    if wallet is not None:
        note(wallet)
    async for found in check_chain():
        note(found)
    return checks


async def _commitments(settings: Settings) -> tuple[BlockRef, CommitmentBook]:
    from sn37.app.wiring.networks import open_chain

    async with open_chain(settings) as chain:
        head = await chain.head()
        if not (await chain.metagraph(head)).neurons:
            raise CommandError(
                f"subnet {settings.netuid} of {settings.network_name} does not exist or has no "
                f"members at block {head.number}; name another with --netuid"
            )
        return head, await chain.commitments(head)


def _settings(flags: Mapping[str, object]) -> Settings:
    from sn37.app.config.settings import load_settings
    from sn37.app.wiring.networks import require_chain  # slow to import

    settings = load_settings(flags)
    require_chain(settings)
    return settings


def _row(commitment: Commitment) -> dict[str, object]:
    return {
        "hotkey": commitment.hotkey,
        "block": commitment.block,
        "format": commitment.format.value,
        "competition": commitment.competition,
        "repo": commitment.model.repo,
        "revision": commitment.model.revision,
    }


def _malformed_row(record: MalformedCommitment) -> dict[str, object]:
    return {
        "hotkey": record.hotkey,
        "block": record.block,
        "fault": record.fault.value,
        "detail": record.detail,
    }

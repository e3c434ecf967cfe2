"""``sn37 miner status``: print the status of a commitment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.cli.status.submissions import progress_lines
from sn37.app.cli.status.words import ROUND_HEADER, round_row, stage_lines
from sn37.app.mining.base_sources import hotkey_of

if TYPE_CHECKING:
    from sn37.app.config.settings import Settings
    from sn37.app.leaderboard.views import SubmissionView
    from sn37.app.mining.status import Attendance, MinerStatus

SHOWN_ROUNDS = 10


def status(
    hotkey: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Hotkey of the miner; by default the wallet's."),
    ] = None,
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
) -> None:
    """Print the status of a commitment: on chain, in a queue, scored, champion.

    Verdicts and scores come from a validator's record in the state directory, if there is one;
    the validator may be running.

    sn37 miner status --wallet NAME
    sn37 miner status --hotkey ADDRESS --json
    """
    flags = {k: v for k, v in locals().items() if k not in ("hotkey", "as_json")}
    from sn37.app.config.settings import load_settings
    from sn37.app.mining.status import miner_status  # slow to import
    from sn37.app.wiring.machine import Machine

    whose = None if hotkey is None else hotkey_of(hotkey)
    settings = load_settings(flags)
    found = asyncio.run(miner_status(Machine(settings), whose))
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=2))
        return
    for line in _lines(found, _page(settings, found)):
        typer.echo(line)


def _page(settings: Settings, found: MinerStatus) -> SubmissionView | None:
    """Return the leaderboard's page on the commitment; ``None`` if no validator has recorded it."""
    if found.commitment is None or found.recorded is None:
        return None
    from sn37.app.wiring.leaderboard import open_leaderboard  # slow to import

    board = open_leaderboard(settings)
    board.read_history()
    return board.submission(found.commitment.key)


def _lines(found: MinerStatus, page: SubmissionView | None = None) -> Iterator[str]:
    uid = "not registered" if found.uid is None else f"uid {found.uid}"
    yield f"hotkey      {found.hotkey}, {uid}, incentive {found.incentive:.4f}"
    yield f"block       {found.head.number}, {found.time:%Y-%m-%d %H:%M:%S} UTC"
    if found.sealed_at is not None:
        yield f"sealed      at block {found.sealed_at}; nobody can read it yet"
    if found.malformed is not None:
        yield (
            f"commitment  of block {found.malformed.block} cannot be read: "
            f"{found.malformed.fault.value}: {found.malformed.detail}"
        )
    if (c := found.commitment) is not None:
        public = {True: "public", False: "private", None: "the host does not answer"}[found.public]
        yield f"commitment  block {c.block}, competition {c.competition}, {c.format.value}"
        yield f"repository  {c.model.repo}@{c.model.revision}, {public}"
    if (first := found.first_round) is not None:
        when = "from" if first.sync_block > found.head.number else "since"
        yield (
            f"scored      {when} the round of block {first.sync_block}, "
            f"{first.at:%Y-%m-%d %H:%M} UTC"
        )
    yield from _stage(found)
    yield from _record(found, page)


def _stage(found: MinerStatus) -> Iterator[str]:
    from sn37.app.leaderboard.page_reader import explained  # slow to import

    judgement = found.judgement
    reason = None if judgement is None or found.stage == "champion" else judgement.reason
    code, meaning, remedy = explained(reason)
    detail = "" if judgement is None or reason is None else judgement.detail
    yield from stage_lines(found.stage, reason=code, meaning=meaning, detail=detail, remedy=remedy)


def _record(found: MinerStatus, page: SubmissionView | None) -> Iterator[str]:
    if (record := found.recorded) is None:
        yield "validator   none has run in this state directory; name its folder with --state-dir"
        return
    if found.commitment is None:
        return
    if record.newest_round is None:
        yield "validator   has finished no round of this competition yet"
        return
    yield (
        f"validator   newest round {record.newest_round}; standing {record.standing:.3f}, "
        f"weight {record.weight:.3f}"
    )
    if page is not None:
        yield from progress_lines(page)
    if not record.rounds:
        yield "            has listed it in no round yet"
        return
    yield ROUND_HEADER
    for attendance in record.rounds[-SHOWN_ROUNDS:]:
        yield _row(attendance)


def _row(attendance: Attendance) -> str:
    from sn37.domain.round.state import right_answers  # slow to import

    entry = attendance.entry
    finding = "champion" if attendance.champion and not entry.detail else entry.detail
    return round_row(
        attendance.sync_block,
        verdict=entry.verdict.value,
        reason=entry.reason.value if entry.reason else "",
        score=entry.score,
        num_samples=entry.num_samples,
        finding="; ".join(filter(None, (right_answers(entry.tasks), finding))),
    )


def _as_json(found: MinerStatus) -> dict[str, object]:
    c, first, judgement, record = (
        found.commitment,
        found.first_round,
        found.judgement,
        found.recorded,
    )
    return {
        "hotkey": found.hotkey,
        "uid": found.uid,
        "incentive": found.incentive,
        "block": found.head.number,
        "time": found.time.isoformat(),
        "stage": found.stage,
        "commitment": c
        and {
            "block": c.block,
            "competition": c.competition,
            "format": c.format.value,
            "repo": c.model.repo,
            "commit": c.model.revision,
            "public": found.public,
        },
        "malformed": found.malformed
        and {"fault": found.malformed.fault.value, "detail": found.malformed.detail},
        "sealed_at": found.sealed_at,
        "first_round": first and {"sync_block": first.sync_block, "time": first.at.isoformat()},
        "next_round": judgement
        and {
            "verdict": judgement.verdict,
            "reason": judgement.reason,
            "detail": judgement.detail,
        },
        "validator": record
        and {
            "newest_round": record.newest_round,
            "standing": record.standing,
            "weight": record.weight,
            "rounds": [
                {
                    "sync_block": a.sync_block,
                    "verdict": a.entry.verdict.value,
                    "reason": a.entry.reason,
                    "score": a.entry.score,
                    "accuracy": {
                        t.task: t.accuracy for t in a.entry.tasks if t.accuracy is not None
                    },
                    "num_samples": a.entry.num_samples,
                    "detail": a.entry.detail,
                    "champion": a.champion,
                }
                for a in record.rounds
            ],
        },
    }

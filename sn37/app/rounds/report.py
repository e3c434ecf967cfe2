"""Results of a run as JSON, for programs; docs/validator.md describes the format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from sn37.app.rounds.weights_due import paid_part, warm_up, weights_after
from sn37.domain.canonical import JsonValue, as_json
from sn37.domain.ids import Block, EntryKey, Hotkey
from sn37.domain.round.state import EntryResult, RoundResult, ScoredLater, ValidatorState
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.weights.standings import standings
from sn37.durable import write_whole


def report(
    state: ValidatorState, schedule: Schedule, labels: Mapping[Hotkey, str]
) -> list[JsonValue]:
    """Return all finished rounds that were scored, the oldest first.

    Rounds that were scored later are included, without a winner. Standings and weights are those
    after the round's sync block, so a single round can be checked against the emission rule by
    hand. Non-finite scores are null.
    """
    rounds = sorted(
        (
            r
            for held in state.rounds.values()
            for r in held
            if r.skipped is None or r.later is not None
        ),
        key=lambda r: (r.key.sync_block, r.key.competition),
    )
    return [_round(result, state, schedule, labels) for result in rounds]


def write_report(path: Path, rounds: list[JsonValue]) -> None:
    """Write JSON atomically: a reader never sees a partial file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, f"{json.dumps(rounds, indent=2, allow_nan=False)}\n".encode())


def until(state: ValidatorState, block: Block) -> ValidatorState:
    """Return the state as it was after the rounds of ``block``."""
    return ValidatorState(
        rounds={
            c: tuple(r for r in held if r.key.sync_block <= block)
            for c, held in state.rounds.items()
        },
        beginning=state.beginning,
    )


def _round(
    result: RoundResult,
    state: ValidatorState,
    schedule: Schedule,
    labels: Mapping[Hotkey, str],
) -> JsonValue:
    sync = result.key.sync_block
    then = until(state, sync)
    held = then.rounds[result.key.competition]
    weights = weights_after(then, schedule, sync)
    like = dict(result.near_duplicates or ())
    sent = next((w for w in state.weights if w.sync_block == sync), None)
    return {
        "competition": result.key.competition,
        "sync_block": sync,
        "seed": result.sync.hash,
        "manifest_digest": result.manifest_digest,
        "winner": result.winner,
        "scored_later": None if result.later is None else _later(result.later),
        "entries": [_entry(e, labels, like.get(e.key)) for e in result.entries],
        "standings": _plain(standings(held, timing=schedule.timing, rule=schedule.standings)),
        "paid_share": paid_part(then, schedule, result.key.competition),
        "warm_up_rounds_left": max(warm_up(then, schedule, sync).values(), default=0),
        "weights": _plain(weights.shares) if weights else {},
        "weights_extrinsic": sent.extrinsic if sent else None,
    }


def _later(later: ScoredLater) -> JsonValue:
    return {"samples_of": later.source, "evidence_after": later.after, "at_block": later.at}


def _entry(entry: EntryResult, labels: Mapping[Hotkey, str], earlier: EntryKey | None) -> JsonValue:
    return {
        "hotkey": entry.key.hotkey,
        "label": labels.get(entry.key.hotkey),
        "repo": entry.repo,
        "block": entry.key.block,
        "score": entry.score,
        "tasks": {
            t.task: {
                "raw": t.raw,
                "normalised": t.normalized,
                "weighted": t.weighted,
                "accuracy": t.accuracy,
                "answers": as_json(t.answers),
            }
            for t in entry.tasks
        },
        "num_samples": entry.num_samples,
        "resembles": earlier.hotkey if earlier else None,
        "verdict": entry.verdict.value,
        "reason": entry.reason.value if entry.reason else None,
        "detail": entry.detail,
    }


def _plain(shares: Mapping[Hotkey, float]) -> dict[str, JsonValue]:
    return {str(hotkey): share for hotkey, share in shares.items()}

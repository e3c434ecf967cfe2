"""The row of a round: the keys that readers of existing validators' runs look for, and ours.

Existing validators are those of macrocosm-os/finetuning, which log one row for each competition
and step (``log_step`` in ``neurons/validator.py``). Their numbers are keyed by uid. An entry whose
uid is not known, or without a finite score, has a place in our keys alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from statistics import median

from sn37.app.tracking.round_facts import EntryFacts, RoundFacts
from sn37.domain.canonical import JsonValue
from sn37.domain.ids import EntryKey
from sn37.domain.round.state import TaskScore
from sn37.ports.run_tracker import RunRow

_Row = dict[str, JsonValue]
_TASK_PARTS: tuple[tuple[str, Callable[[TaskScore], float]], ...] = (
    ("raw_score", lambda score: score.raw),
    ("norm_score", lambda score: score.normalized),
    ("weighted_norm_score", lambda score: score.weighted),
)


def row_of(facts: RoundFacts) -> RunRow:
    """Return the row of a round. It contains neither NaN nor an infinity."""
    time = None if facts.at is None else facts.at.timestamp()
    own = _own(facts)
    row: _Row = {
        **_compatible(facts, time),
        **{f"competition_{facts.competition}/{name}": value for name, value in own.items()},
        "round_json": json.dumps(_round(facts, time), allow_nan=False),
    }
    if time is not None:
        row["_timestamp"] = time  # the client's own column, or late rows would have wrong times
    return row


def _compatible(facts: RoundFacts, time: float | None) -> _Row:
    listed = _listed(facts)
    row: _Row = {"step_competition_id": int(facts.competition), "block": int(facts.sync_block)}
    if time is not None:
        row["time"] = time
    row["original_format_json"] = json.dumps(_original(facts, listed, time), allow_nan=False)
    if not listed:
        return row
    per_uid = {uid: _uid_data(facts, entry, wins) for uid, entry, wins in listed}
    for name, part in (
        ("uid_data", "average_loss"),
        ("uid_epsilon_adv", "epsilon_adv"),
        ("win_rate_data", "win_rate"),
        ("win_total_data", "win_total"),
        ("weight_data", "weight"),
        ("competition_weight_data", "norm_weight"),
        ("competition_id", "competition_id"),
        *((name, name) for name in _task_names(listed)),
    ):
        held: _Row = {uid: data[part] for uid, data in per_uid.items() if part in data}
        if held:
            row[name] = held
    seconds = [entry.timing.seconds for _, entry, _ in listed if entry.timing is not None]
    if seconds:
        row["compute_model_perf"] = _spread(seconds)
    return row


def _listed(facts: RoundFacts) -> Sequence[tuple[str, EntryFacts, int | None]]:
    """Return the entries of the compatible keys, by uid as text."""
    return [
        (str(entry.uid), entry, wins)
        for entry, wins in zip(facts.entries, facts.wins, strict=True)
        if entry.uid is not None and entry.score is not None
    ]


def _original(
    facts: RoundFacts, listed: Sequence[tuple[str, EntryFacts, int | None]], time: float | None
) -> _Row:
    uids: list[JsonValue] = [int(uid) for uid, _, _ in listed]
    data: _Row = {
        "competition_id": int(facts.competition),
        "seed": facts.sync_hash,  # of the block that seeds the draws
        "sync_block": int(facts.sync_block),
        "uids": uids,
        "uid_data": {uid: _uid_data(facts, entry, wins) for uid, entry, wins in listed},
    }
    return data if time is None else {"timestamp": time, **data}


def _uid_data(facts: RoundFacts, entry: EntryFacts, wins: int | None) -> _Row:
    data: _Row = {
        "uid": entry.uid,
        "block": int(entry.key.block),
        "hf": entry.repo,
        "competition_id": int(facts.competition),
        "average_loss": entry.score,
        "norm_weight": entry.standing,
    }
    others = sum(count is not None for count in facts.wins) - 1
    optional: _Row = {
        "epsilon_adv": entry.margin,
        "win_total": wins,
        "win_rate": None if wins is None else wins / others if others else 0.0,
        "weight": entry.weight,
    }
    data.update({name: value for name, value in optional.items() if value is not None})
    for score in entry.tasks:
        for part, of in _TASK_PARTS:
            if math.isfinite(value := of(score)):
                data[f"{score.task}.{part}"] = value
    return data


def _task_names(listed: Sequence[tuple[str, EntryFacts, int | None]]) -> Sequence[str]:
    tasks = dict.fromkeys(score.task for _, entry, _ in listed for score in entry.tasks)
    return [f"{task}.{part}" for task in tasks for part, _ in _TASK_PARTS]


def _spread(seconds: Sequence[float]) -> _Row:
    ordered = sorted(seconds)
    ninth_tenth = ordered[math.ceil(0.9 * len(ordered)) - 1]  # nearest rank
    return {"min": ordered[0], "median": median(ordered), "max": ordered[-1], "P90": ninth_tenth}


def _own(facts: RoundFacts) -> _Row:
    """Return our keys without the name of the competition."""
    entries = facts.entries
    scored = [e for e in entries if e.score is not None]
    champion = next((e for e in entries if e.key == facts.champion), None)
    challenges = [e.challenge for e in entries if e.challenge is not None]
    timings = [e.timing for e in entries if e.timing is not None]
    seconds = sum(t.seconds for t in timings)
    counted: _Row = {
        "block": int(facts.sync_block),
        "missed": int(facts.status == "missed"),
        "scored_later": int(facts.status == "scored later"),
        "num_entries": len(entries),
        "num_scored": sum(e.verdict == "scored" for e in entries),
        "num_failed": sum(e.verdict == "failed" for e in entries),
        "num_waiting": sum(e.verdict == "waiting" for e in entries),
        "new_champion": int(facts.champion is not None and facts.champion != facts.before),
        "needed_evidence": facts.needed,
    }
    optional: _Row = {
        "champion_score": None if champion is None else champion.score,
        "best_score": min((e.score for e in scored if e.score is not None), default=None),
        "margin": facts.margin,
        "best_gain": max((c.gain for c in challenges if c.gain is not None), default=None),
        "best_evidence": max(
            (c.evidence for c in challenges if c.evidence is not None), default=None
        ),
        "seconds": seconds if timings else None,
        "tokens_per_s": sum(t.tokens for t in timings) / seconds if seconds else None,
        "score": _by_hotkey(entries, lambda e: e.score),
        "gain": _by_hotkey(entries, lambda e: None if e.challenge is None else e.challenge.gain),
        "evidence": _by_hotkey(
            entries, lambda e: None if e.challenge is None else e.challenge.evidence
        ),
        "standing": _by_hotkey(scored, lambda e: e.standing),
        "weight": _by_hotkey(scored, lambda e: e.weight),
        "entry_seconds": _by_hotkey(
            entries, lambda e: None if e.timing is None else e.timing.seconds
        ),
    }
    return {**counted, **{name: value for name, value in optional.items() if value is not None}}


def _by_hotkey(
    entries: Sequence[EntryFacts], value_of: Callable[[EntryFacts], float | None]
) -> JsonValue:
    """Return a number of each entry that has it, by hotkey; of two entries the first counts."""
    found: _Row = {}
    for entry in entries:
        value = value_of(entry)
        if value is not None:
            found.setdefault(entry.key.hotkey, value)
    return found or None


def _round(facts: RoundFacts, time: float | None) -> _Row:
    """Return the whole round: everything that is known of every entry."""
    return {
        "competition": int(facts.competition),
        "name": facts.name,
        "sync_block": int(facts.sync_block),
        "sync_hash": facts.sync_hash,
        "time": time,
        "status": facts.status,
        "why_missed": facts.why_missed,
        "champion": _hotkey(facts.champion),
        "champion_before": _hotkey(facts.before),
        "margin": facts.margin,
        "needed_evidence": facts.needed,
        "entries": [_entry(entry) for entry in facts.entries],
    }


def _entry(entry: EntryFacts) -> _Row:
    challenge, timing = entry.challenge, entry.timing
    return {
        "hotkey": entry.key.hotkey,
        "block": int(entry.key.block),
        "uid": entry.uid,
        "repo": entry.repo,
        "revision": entry.revision,
        "verdict": entry.verdict,
        "reason": entry.reason,
        "score": entry.score,
        "num_samples": entry.num_samples,
        "gain": None if challenge is None else challenge.gain,
        "gain_error": None if challenge is None else challenge.error,
        "evidence": None if challenge is None else challenge.evidence,
        "num_compared": None if challenge is None else challenge.num_samples,
        "standing": entry.standing,
        "weight": entry.weight,
        "seconds": None if timing is None else timing.seconds,
        "tokens": None if timing is None else timing.tokens,
        "tasks": {
            score.task: {
                **{
                    part: value if math.isfinite(value := of(score)) else None
                    for part, of in _TASK_PARTS
                },
                "accuracy": score.accuracy,
            }
            for score in entry.tasks
        },
    }


def _hotkey(key: EntryKey | None) -> JsonValue:
    return None if key is None else key.hotkey

"""The keys of a row, for the document: ``tests/unit/tracking`` compares them with real rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reader(StrEnum):
    """Who looks for a key."""

    EXISTING = "existing readers"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a row. ``TASK`` stands for a task's name, ``N`` for a competition's number."""

    name: str
    meaning: str
    reader: Reader


def _existing(name: str, meaning: str) -> Key:
    return Key(name, meaning, Reader.EXISTING)


def _ours(name: str, meaning: str) -> Key:
    return Key(name, meaning, Reader.OURS)


KEYS = (
    _existing("step_competition_id", "competition of the row"),
    _existing("block", "sync block of the round"),
    _existing("time", "time of the sync block, in seconds since 1970"),
    _existing("uid_data", "score by uid, lower is better"),
    _existing("uid_epsilon_adv", "margin against this model if it were champion, by uid"),
    _existing("win_total_data", "other models that it beats, the earlier with its margin, by uid"),
    _existing("win_rate_data", "the same as a share; it does not decide here"),
    _existing("weight_data", "share of all weights that were set last, by uid"),
    _existing("competition_weight_data", "share in the standings of the competition, by uid"),
    _existing("competition_id", "competition by uid"),
    _existing("compute_model_perf", "seconds of scoring a model: `min`, `median`, `max`, `P90`"),
    _existing("TASK.raw_score", "mean loss in a task, by uid"),
    _existing("TASK.norm_score", "the same over the task's level"),
    _existing("TASK.weighted_norm_score", "the same times the task's weight"),
    _existing(
        "original_format_json",
        "text with `timestamp`, `competition_id`, `seed` (the sync block's hash), `sync_block`, "
        "`uids` and `uid_data`, which has `average_loss`, `norm_weight` and the numbers above",
    ),
    _ours("competition_N/block", "sync block, the axis of the charts below"),
    _ours("competition_N/champion_score", "score of the champion after the round"),
    _ours("competition_N/best_score", "lowest score of the round"),
    _ours("competition_N/new_champion", "1 if the crown changed"),
    _ours("competition_N/margin", "margin to beat the champion before the round"),
    _ours("competition_N/best_gain", "largest gain of a challenger over that champion"),
    _ours("competition_N/best_evidence", "most evidence of a challenger, natural logarithm"),
    _ours("competition_N/needed_evidence", "evidence that crowns"),
    _ours("competition_N/num_entries", "entries of the round"),
    _ours("competition_N/num_scored", "entries that were scored"),
    _ours("competition_N/num_failed", "entries that failed"),
    _ours("competition_N/num_waiting", "entries that wait"),
    _ours("competition_N/missed", "1 if this validator missed the round"),
    _ours("competition_N/scored_later", "1 for the second row of a missed round, scored later"),
    _ours("competition_N/seconds", "seconds of scoring all entries"),
    _ours("competition_N/tokens_per_s", "scored tokens a second"),
    _ours("competition_N/score", "score by hotkey"),
    _ours("competition_N/gain", "gain over the champion before the round, by hotkey"),
    _ours("competition_N/evidence", "evidence against that champion so far, by hotkey"),
    _ours("competition_N/standing", "share in the standings, by hotkey"),
    _ours("competition_N/weight", "share of all weights that were set last, by hotkey"),
    _ours("competition_N/entry_seconds", "seconds of scoring, by hotkey"),
    _ours(
        "round_json",
        "text with everything known about the round and each entry: hotkey, uid, repository, "
        "verdict, reason, score, gain and its error, evidence, standing, weight, times, tasks",
    ),
    _ours("_timestamp", "the client's own column, set to the time of the sync block"),
)

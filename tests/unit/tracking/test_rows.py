"""The row of a round: keys that readers of existing validators' runs look for, and ours."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.app.tracking.keys import KEYS, Reader
from sn37.app.tracking.round_facts import Challenge, EntryFacts, RoundFacts, Timing
from sn37.app.tracking.row import row_of
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey, TaskName, Uid
from sn37.domain.round.state import TaskScore

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

# What one log of an existing validator has (macrocosm-os/finetuning, neurons/validator.py,
# log_step), for the tasks SYN and IF.
THEIRS = {
    "time",
    "step_competition_id",
    "block",
    "uid_data",
    "uid_epsilon_adv",
    "win_rate_data",
    "win_total_data",
    "weight_data",
    "competition_weight_data",
    "competition_id",
    "load_model_perf",
    "compute_model_perf",
    "load_data_perf",
    *(
        f"{t}.{p}"
        for t in ("SYN", "IF")
        for p in ("raw_score", "norm_score", "weighted_norm_score")
    ),
    "original_format_json",
}
THEIRS_IN_JSON = {"timestamp", "competition_id", "seed", "sync_block", "uids", "uid_data"}
THEIRS_OF_A_UID = {
    "uid",
    "block",
    "hf",
    "competition_id",
    "average_loss",
    "epsilon_adv",
    "win_rate",
    "win_total",
    "weight",
    "norm_weight",
    *(
        f"{t}.{p}"
        for t in ("SYN", "IF")
        for p in ("raw_score", "norm_score", "weighted_norm_score")
    ),
}
NOT_MEASURED = {"load_model_perf", "load_data_perf"}  # the record has no times of loading


def entry(name: str, uid: int | None, score: float | None = 0.9, **changes: Any) -> EntryFacts:
    tasks = tuple(
        TaskScore(task=TaskName(task), raw=2.0, normalized=1.0, weighted=0.45, accuracy=accuracy)
        for task, accuracy in (("SYN", None), ("IF", 0.75))
    )
    found = EntryFacts(
        key=EntryKey(Hotkey(name), Block(100)),
        uid=None if uid is None else Uid(uid),
        repo=f"{name}/model",
        revision="c" * 40,
        verdict="scored" if score is not None else "waiting",
        reason="" if score is not None else "queued",
        score=score,
        num_samples=64 if score is not None else 0,
        tasks=tasks if score is not None else (),
        challenge=Challenge(gain=0.02, error=0.004, evidence=9.5, num_samples=640),
        margin=0.01,
        standing=0.25,
        weight=0.125,
        timing=Timing(seconds=4.0, tokens=1_000),
    )
    return replace(found, **changes)


def facts(*entries: EntryFacts, **changes: Any) -> RoundFacts:
    listed = entries or (
        entry(
            "champion", 7, 0.9, challenge=None, standing=0.75, timing=Timing(seconds=2, tokens=1)
        ),
        entry("challenger", 17, 0.8),
        entry("left", None, 1.5),
        entry("queued", 21, None, challenge=None, timing=None),
    )
    scores = [e.score for e in listed]
    wins = tuple(
        None if s is None else sum(o is not None and s < o for o in scores) for s in scores
    )
    found = RoundFacts(
        competition=CompetitionId(2),
        name="INSTRUCT",
        sync_block=Block(7_200),
        sync_hash="0x" + "ab" * 32,
        at=AT,
        status="finished",
        why_missed="",
        champion=EntryKey(Hotkey("challenger"), Block(100)),
        before=EntryKey(Hotkey("champion"), Block(100)),
        margin=0.01,
        needed=13.8,
        entries=listed,
        wins=wins,
    )
    return replace(found, **changes)


def test_a_row_has_every_key_of_existing_validators_that_is_measured() -> None:
    assert row_of(facts()).keys() >= THEIRS - NOT_MEASURED


def test_the_json_has_exactly_the_keys_of_existing_validators() -> None:
    told = json.loads(str(row_of(facts())["original_format_json"]))
    assert told.keys() == THEIRS_IN_JSON
    assert told["uid_data"].keys() == {"7", "17"}
    for data in told["uid_data"].values():
        assert data.keys() == THEIRS_OF_A_UID


def test_the_numbers_are_keyed_by_uid_and_mean_what_they_mean_there() -> None:
    row: dict[str, Any] = dict(row_of(facts()))
    assert row["step_competition_id"] == 2
    assert row["block"] == 7_200
    assert row["time"] == AT.timestamp()
    assert row["uid_data"] == {"7": 0.9, "17": 0.8}
    assert row["uid_epsilon_adv"] == {"7": 0.01, "17": 0.01}
    assert row["win_total_data"] == {"7": 1, "17": 2}
    assert row["win_rate_data"] == {"7": 0.5, "17": 1.0}
    assert row["weight_data"] == {"7": 0.125, "17": 0.125}
    assert row["competition_weight_data"] == {"7": 0.75, "17": 0.25}
    assert row["competition_id"] == {"7": 2, "17": 2}
    assert row["compute_model_perf"] == {"min": 2, "median": 3.0, "max": 4.0, "P90": 4.0}
    assert row["IF.raw_score"] == {"7": 2.0, "17": 2.0}


def test_the_public_leaderboards_pipeline_finds_losses_and_weights() -> None:
    """It parses the text of each row, and reads two numbers of each uid in it."""
    told = json.loads(str(row_of(facts())["original_format_json"]))
    assert told["uids"] == [7, 17]
    read = {
        uid: (told["uid_data"][str(uid)]["average_loss"], told["uid_data"][str(uid)]["norm_weight"])
        for uid in told["uids"]
    }
    assert read == {7: (0.9, 0.75), 17: (0.8, 0.25)}


def test_an_entry_without_a_uid_is_in_our_keys_alone() -> None:
    row: dict[str, Any] = dict(row_of(facts()))
    entries = json.loads(row["round_json"])["entries"]
    assert [(e["hotkey"], e["uid"]) for e in entries] == [
        ("champion", 7),
        ("challenger", 17),
        ("left", None),
        ("queued", 21),
    ]
    assert row["competition_2/score"] == {"champion": 0.9, "challenger": 0.8, "left": 1.5}
    compatible = {key: value for key, value in row.items() if "/" not in key}
    assert "left" not in json.dumps({**compatible, "round_json": ""})


def test_our_keys_have_margins_evidence_weights_and_times_by_hotkey() -> None:
    row: dict[str, Any] = dict(row_of(facts()))
    own = {k.removeprefix("competition_2/"): v for k, v in row.items() if "/" in k}
    assert own["champion_score"] == own["best_score"] == 0.8
    assert (own["margin"], own["best_gain"], own["best_evidence"]) == (0.01, 0.02, 9.5)
    assert own["new_champion"] == 1
    assert own["gain"] == {"challenger": 0.02, "left": 0.02}
    assert own["evidence"] == {"challenger": 9.5, "left": 9.5}
    assert own["standing"] == {"champion": 0.75, "challenger": 0.25, "left": 0.25}
    assert own["weight"]["left"] == 0.125
    assert own["entry_seconds"] == {"champion": 2, "challenger": 4.0, "left": 4.0}
    assert own["seconds"] == 10.0
    assert own["tokens_per_s"] == pytest.approx(2_001 / 10)
    assert (own["num_entries"], own["num_scored"], own["num_waiting"]) == (4, 3, 1)


def test_a_missed_round_can_still_be_parsed_by_readers_of_existing_runs() -> None:
    missed = facts(entries=(), wins=(), champion=None, margin=None, status="missed")
    row = row_of(replace(missed, why_missed="the data source did not answer"))
    told = json.loads(str(row["original_format_json"]))
    assert (told["uids"], told["uid_data"]) == ([], {})
    assert row["competition_2/missed"] == 1
    assert "uid_data" not in row
    assert json.loads(str(row["round_json"]))["why_missed"] == "the data source did not answer"


def test_what_is_not_known_is_left_out_and_never_made_up() -> None:
    lone = entry("lone", 3, weight=None, margin=None, challenge=None, timing=None, tasks=())
    row = row_of(facts(lone, at=None, margin=None, wins=(None,)))
    told = json.loads(str(row["original_format_json"]))
    assert told["uid_data"]["3"].keys() == {
        "uid",
        "block",
        "hf",
        "competition_id",
        "average_loss",
        "norm_weight",
    }
    assert not row.keys() & {
        "time",
        "_timestamp",
        "weight_data",
        "win_rate_data",
        "uid_epsilon_adv",
    }
    assert "compute_model_perf" not in row
    assert "timestamp" not in told


def test_the_only_entry_of_a_round_has_no_win_rate_to_divide() -> None:
    told = json.loads(str(row_of(facts(entry("lone", 3)))["original_format_json"]))
    assert told["uid_data"]["3"]["win_rate"] == 0.0


def test_the_ninetieth_percentile_is_the_nearest_rank() -> None:
    entries = [entry(f"e{n}", n, timing=Timing(seconds=float(n), tokens=1)) for n in range(1, 21)]
    spread: Any = row_of(facts(*entries))["compute_model_perf"]
    assert spread == {"min": 1.0, "median": 10.5, "max": 20.0, "P90": 18.0}


def test_every_key_is_documented() -> None:
    documented = [re.compile(_pattern(key.name)) for key in KEYS]
    row = row_of(facts())
    assert [k for k in row if not any(p.fullmatch(k) for p in documented)] == []
    undone = [k.name for k in KEYS if not any(re.fullmatch(_pattern(k.name), r) for r in row)]
    assert undone == []
    theirs = {key.name.replace("TASK", "SYN") for key in KEYS if key.reader is Reader.EXISTING}
    assert theirs == {key for key in THEIRS - NOT_MEASURED if not key.startswith("IF.")}


def _pattern(name: str) -> str:
    return re.escape(name).replace("TASK", "[A-Z]+").replace("_N/", r"_\d+/")


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_no_row_has_a_number_that_json_lacks(odd: float) -> None:
    score = TaskScore(task=TaskName("SYN"), raw=odd, normalized=odd, weighted=1.0)
    row = row_of(facts(entry("one", 1, tasks=(score,)), entry("two", 2, tasks=(score,))))
    json.dumps(row, allow_nan=False)
    story = json.loads(str(row["round_json"]))
    raw = story["entries"][0]["tasks"]["SYN"]["raw_score"]
    assert raw == (odd if math.isfinite(odd) else None)
    assert ("SYN.raw_score" in row) == math.isfinite(odd)

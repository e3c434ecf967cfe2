"""Checks of a rehearsal's results: reasons, crowns, weights, and two validators that agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sn37.domain.ids import Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.schedule.schedule import Schedule
from tests.rehearsal.acts import Acts, Tell
from tests.rehearsal.cast import EXPECTED, WINNER, Miner
from tests.rehearsal.chain import weights_of
from tests.rehearsal.surroundings import Surroundings

RACED_OUT = Reason.RACED_OUT.value  # an honest model that is so much worse that it was stopped

Round = Mapping[str, Any]  # of a validator's report


class NotAsExpected(Exception):
    """The results are not those expected; the message has a line for each difference."""


def require_agreement(acts: Acts, tell: Tell) -> None:
    """Check that both validators have the same rounds, samples, crowns and weights.

    Raises:
        NotAsExpected: Something differs.
    """
    first, second = acts.reports()
    _require_none(_disagreements(first, second))
    tell(f"both validators agree on {len(first)} rounds")


def require_as_expected(acts: Acts, around: Surroundings, schedule: Schedule, tell: Tell) -> None:
    """Compare both validators' reports and the weights on the chain with what the cast deserves.

    Raises:
        NotAsExpected: Something differs.
    """
    first, second = acts.reports()
    _require_none(
        [
            *_wrong_reasons(first, around.cast),
            *_wrong_winners(first, around.cast),
            *_wrong_weights(around, schedule, dict(zip(acts.names, (first, second), strict=True))),
        ]
    )
    for found in first:
        winner = next(m.name for m in around.cast if m.hotkey == found["winner"])
        tell(
            f"competition {found['competition']}, round {found['sync_block']}: {winner}, "
            f"weights in extrinsic {found['weights_extrinsic']}"
        )
    tell(f"{len(EXPECTED)} attacks in each competition were refused, each for its own reason")


def _wrong_reasons(rounds: Sequence[Round], cast: tuple[Miner, ...]) -> list[str]:
    """Compare the reason that each miner got in the first round that considered it."""
    wrong: list[str] = []
    for miner in cast:
        found = next(
            (
                entry
                for round_ in sorted(rounds, key=lambda r: r["sync_block"])
                if round_["competition"] == miner.competition
                for entry in round_["entries"]
                if entry["hotkey"] == miner.hotkey
            ),
            None,
        )
        wanted = None if miner.attack is None else EXPECTED[miner.attack].value  # None: scored
        got = "absent" if found is None else found["reason"]
        if got != wanted and not (miner.attack is None and got == RACED_OUT):
            wrong.append(f"{miner.name}: {got}, not {wanted}")
    return wrong


def _wrong_winners(rounds: Sequence[Round], cast: tuple[Miner, ...]) -> list[str]:
    """Compare the holder of each crown with the miner that trained longest."""
    best = {m.competition: m.hotkey for m in cast if m.family == WINNER and m.attack is None}
    names = {m.hotkey: m.name for m in cast}
    return [
        f"competition {r['competition']}, round {r['sync_block']}: the crown is "
        f"{names.get(r['winner'], r['winner'])}'s"
        for r in rounds
        if r["winner"] != best[r["competition"]]
    ]


def _require_none(wrong: Sequence[str]) -> None:
    if wrong:
        raise NotAsExpected("\n".join(wrong))


def _disagreements(ours: Sequence[Round], theirs: Sequence[Round]) -> list[str]:
    """Compare the rounds of the second validator with the first one's."""
    first, second = (
        {(r["competition"], r["sync_block"]): r for r in rounds} for rounds in (ours, theirs)
    )
    wrong = [] if first.keys() == second.keys() else [f"rounds {sorted(first)}, {sorted(second)}"]
    return wrong + [
        f"round {key}: the validators differ in {what}"
        for key in first.keys() & second.keys()
        for what in ("manifest_digest", "winner", "weights")
        if first[key][what] != second[key][what]
    ]


def _wrong_weights(
    around: Surroundings, schedule: Schedule, reports: Mapping[str, Sequence[Round]]
) -> list[str]:
    """Compare the rows on the chain with what the validators report, and who is paid."""
    wrong: list[str] = []
    paid = {m.hotkey for m in around.cast if m.attack is None} | {schedule.burn}
    for name, hotkey in around.hotkeys.items():
        row = weights_of(around.chain, schedule.netuid, hotkey)
        newest = max(reports[name], key=lambda r: r["sync_block"])
        if set(row) != {Hotkey(h) for h, share in newest["weights"].items() if share}:
            wrong.append(f"{name}: the chain has a row for {sorted(row)}")
        if not row or not set(row) <= paid:
            wrong.append(f"{name}: weights for {sorted(set(row) - paid) or 'nobody'}")
    return wrong

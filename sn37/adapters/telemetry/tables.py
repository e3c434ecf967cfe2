"""Final tables of a run: entries with their verdicts, standings, weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from sn37.adapters.telemetry import wording
from sn37.adapters.telemetry.fitted_table import FittedTable
from sn37.adapters.telemetry.wording import Labels
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import EntryResult, RoundResult
from sn37.domain.submission.submission import Verdict
from sn37.domain.weight_vector import WeightVector

SHOWN_ROUNDS = 4  # newest rounds, each with its own column
SHOWN_MISSED = 12  # newest missed rounds

_COLOURS = {
    Verdict.SCORED: "green",
    Verdict.DUPLICATE: "yellow",
    Verdict.REJECTED: "red",
    Verdict.WAITING: "cyan",
    Verdict.FAILED: "red",
}


def render_report(
    results: Sequence[RoundResult],
    standings: Mapping[CompetitionId, Mapping[Hotkey, float]],
    weights: WeightVector | None,
    labels: Labels,
) -> RenderableType:
    """Return a table of entries for each competition, meanings of reasons, standings and weights.

    A row shows the entry's newest verdict, and its scores of the newest rounds.
    """
    if not results:
        return Text("Stopped before a round was finished; the same command continues.")
    by_competition: dict[CompetitionId, list[RoundResult]] = {}
    for result in sorted(results, key=lambda r: r.key):
        if result.skipped is None:
            by_competition.setdefault(result.key.competition, []).append(result)
    shown: list[RenderableType] = [
        _entries(competition, rounds, labels) for competition, rounds in by_competition.items()
    ]
    shown.append(_missed(results, labels))
    shown.append(_reasons(results))
    if any(standings.values()):
        shown.append(_standings(standings, labels))
    shown.append(_weights(weights, labels))
    return Group(*shown)


def _entries(
    competition: CompetitionId, rounds: Sequence[RoundResult], labels: Labels
) -> RenderableType:
    newest = rounds[-1]
    counted = "1 round" if len(rounds) == 1 else f"{len(rounds)} rounds"
    table = FittedTable(
        f"Competition {competition}: entries after {counted}",
        caption="lower is better; * holds the crown"
        + ("; in brackets, questions answered rightly" if _has_questions(rounds) else ""),
    )
    table.add_column("miner", rank=0)
    table.add_column("committed", rank=4, is_number=True)
    columns = rounds[-SHOWN_ROUNDS:]
    for age, result in zip(range(len(columns) - 1, -1, -1), columns, strict=True):
        table.add_column(
            f"round {result.key.sync_block}", rank=5 + age if age else 0, is_number=True
        )
    table.add_column("verdict", rank=1)
    table.add_column("reason", rank=2)
    table.add_column("detail", rank=3, is_text=True)
    for entry in _newest_first(rounds):
        crown = "*" if entry.key == newest.champion else " "
        table.add_row(
            Text(f"{crown} {wording.miner(entry.key.hotkey, labels)}"),
            str(entry.key.block),
            *(_score_in(result, entry.key) for result in columns),
            Text(entry.verdict.value, style=_COLOURS[entry.verdict]),
            entry.reason.value if entry.reason else "",
            Text(wording.named(entry.detail, labels)),
        )
    return table


def _has_questions(rounds: Sequence[RoundResult]) -> bool:
    return any(t.accuracy is not None for r in rounds for e in r.entries for t in e.tasks)


def _newest_first(rounds: Sequence[RoundResult]) -> list[EntryResult]:
    """Return each entry's newest row: scored ones by score, then each verdict by block."""
    newest: dict[EntryKey, EntryResult] = {}
    for result in rounds:
        newest.update({entry.key: entry for entry in result.entries})
    verdicts = list(Verdict)

    def rank(entry: EntryResult) -> tuple[bool, float, int, Block, Hotkey]:
        score = entry.score
        # NaN has no order; put it after every number.
        return (
            score is None or score != score,
            score if score is not None and score == score else 0.0,
            verdicts.index(entry.verdict),
            entry.key.block,
            entry.key.hotkey,
        )

    return sorted(newest.values(), key=rank)


def _score_in(result: RoundResult, key: EntryKey) -> str:
    return next((wording.score_text(e) for e in result.entries if e.key == key), "")


def _missed(results: Sequence[RoundResult], labels: Labels) -> RenderableType:
    """Return lines on the newest rounds that this validator missed, and how it handled them."""
    missed = [r for r in sorted(results, key=lambda r: r.key) if r.skipped is not None]
    lines = []
    for result in missed[-SHOWN_MISSED:]:
        became = "not scored"
        if result.later is not None:
            whose = wording.miner(result.later.source, labels)
            became = f"scored later on the samples of {whose}, evidence after {result.later.after}"
        why = result.skipped.value if result.skipped is not None else ""
        lines.append(f"  {result.key}: {why}; {became}")
    return Text("\n".join(["Missed rounds", *lines]) + "\n" if lines else "")


def _reasons(results: Sequence[RoundResult]) -> RenderableType:
    met = {entry.reason for result in results for entry in result.entries if entry.reason}
    lines = [f"  {reason.value}: {reason.meaning}" for reason in Reason if reason in met]
    return Text("\n".join(["Reasons", *lines]) + "\n" if lines else "")


def _standings(
    standings: Mapping[CompetitionId, Mapping[Hotkey, float]], labels: Labels
) -> RenderableType:
    table = FittedTable("Standings")
    table.add_column("competition", rank=1, is_number=True)
    table.add_column("miner", rank=0)
    table.add_column("share", rank=0, is_number=True)
    for competition, shares in sorted(standings.items()):
        for hotkey, share in _largest_first(shares):
            table.add_row(str(competition), Text(wording.miner(hotkey, labels)), f"{share:.4f}")
    return table


def _weights(weights: WeightVector | None, labels: Labels) -> RenderableType:
    if weights is None:
        return Text("No weights were set: offline, too few rounds, or no champion.")
    table = FittedTable("Weights")
    table.add_column("miner", rank=0)
    table.add_column("hotkey", rank=1)
    table.add_column("weight", rank=0, is_number=True)
    for hotkey, share in _largest_first(weights.shares):
        table.add_row(Text(wording.miner(hotkey, labels)), Text(hotkey), f"{share:.4f}")
    return table


def _largest_first(shares: Mapping[Hotkey, float]) -> list[tuple[Hotkey, float]]:
    return sorted(shares.items(), key=lambda item: (-item[1], item[0]))

"""Checks of a round's controls and second opinions against the rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sn37.app.audit.differences import Difference
from sn37.domain.data.batches import SampleBlock
from sn37.domain.ids import Digest, EntryKey
from sn37.domain.round.plausibility import implausibility
from sn37.domain.round.state import OpenRound
from sn37.domain.schedule.competition import Competition
from sn37.domain.scoring.choices import choice_tasks
from sn37.domain.scoring.controls import due_kinds, is_entropy, missing_bits
from sn37.domain.scoring.jobs import BlockLosses, ControlLoss
from sn37.domain.scoring.opinion import Opinion, View, drawn_samples, judge, scored_sizes
from sn37.domain.scoring.worst_loss import worst_losses
from sn37.domain.submission.submission import Verdict


class StrayControls(ValueError):
    """Controls that do not belong to the blocks that were scored."""


def check_soundness(
    where: str, opened: OpenRound, rules: Competition, winner: EntryKey | None
) -> Iterator[Difference]:
    """Check the records that a round of version 2 must have besides its losses.

    Args:
        winner: The holder of the crown after it.
    """
    seed = opened.plan.manifest_digest
    for key, blocks in opened.journal.items():
        yield from _check_controls(f"{where}, controls of {key.hotkey}", blocks, rules, seed)
        outcome = opened.outcomes.get(key)
        is_whole = outcome is not None and outcome.reason is None
        if is_whole and (too_good := implausibility(blocks, rules)):
            yield Difference(f"{where}, losses of {key.hotkey}", too_good, "implausible")
    for key, opinion in opened.opinions.items():
        said = f"{where}, second opinion of {key.hotkey}"
        yield from _check_opinion(said, opinion, opened, rules)
    if winner is None or winner == opened.plan.champion or winner not in opened.outcomes:
        return
    given, verdict = opened.opinions.get(winner), opened.outcomes[winner].verdict
    if verdict is Verdict.SCORED and (given is None or given.view is not View.AGREES):
        yield Difference(f"{where}, crown", f"passed to {winner.hotkey}", "it was not checked")


def by_block(
    controls: Sequence[ControlLoss] | None,
    blocks: Sequence[SampleBlock],
    rules: Competition,
    seed: Digest,
) -> Mapping[SampleBlock, tuple[ControlLoss, ...]]:
    """Return a receipt's controls by the block that they follow.

    Args:
        controls: ``None`` for a receipt of version 1, which has none.

    Raises:
        StrayControls: There are more or fewer controls than the blocks have.
    """
    if controls is None:
        return dict.fromkeys(blocks, ())
    methods = {task.name: task.method for task in rules.tasks}
    left = list(controls)
    found: dict[SampleBlock, tuple[ControlLoss, ...]] = {}
    for number, block in enumerate(blocks):
        count = len(due_kinds(number, methods[block.task], seed))
        found[block], left = tuple(left[:count]), left[count:]
        if len(found[block]) < count:
            raise StrayControls("it has fewer controls than its blocks of samples need")
    if left:
        raise StrayControls("it has more controls than its blocks of samples have")
    return found


def _check_controls(
    where: str, blocks: Sequence[BlockLosses], rules: Competition, seed: Digest
) -> Iterator[Difference]:
    methods = {task.name: task.method for task in rules.tasks}
    for number, block in enumerate(blocks):
        due = due_kinds(number, methods.get(block.block.task), seed)
        kinds = tuple(control.kind for control in block.controls)
        if kinds != tuple(due):
            recorded = ", ".join(kinds) or "none"
            yield Difference(f"{where}, block {number}", recorded, ", ".join(due) or "none")
        for control in block.controls:
            if not is_entropy(control.kind, control.entropy_bits):
                recorded = f"{control.entropy_bits!r} bits drawn"
                yield Difference(
                    f"{where}, block {number}", recorded, f"not in {control.kind.value}"
                )
    lack = missing_bits(control for block in blocks for control in block.controls)
    if lack > 0:
        cost = sum(c.measured_bits for b in blocks for c in b.controls)
        yield Difference(where, f"{cost:.1f} bits", f"{cost + lack:.1f} bits at least")


def _check_opinion(
    where: str, opinion: Opinion, opened: OpenRound, rules: Competition
) -> Iterator[Difference]:
    blocks = opened.journal.get(opinion.key, ())
    losses = {
        (b.block.task, b.block.first + n): loss for b in blocks for n, loss in enumerate(b.losses)
    }
    if opinion.environment != opened.environments.get(opinion.key, {}):
        yield Difference(where, "on another environment", "on that of the losses")
    if not opinion.samples:
        if opinion.view is View.AGREES or not opinion.detail:
            yield Difference(where, f"{opinion.view.value}, without samples", "samples")
        return
    generated = rules.answer_budgets.keys()
    due = drawn_samples(scored_sizes(blocks), opened.plan.manifest_digest, generated=generated)
    if tuple((s.task, s.position) for s in opinion.samples) != due:
        yield Difference(where, "of samples of its choice", "of those that the seed draws")
    for sample in opinion.samples:
        if losses.get((sample.task, sample.position)) != sample.ours:
            yield Difference(
                f"{where}, {sample.task} {sample.position}",
                repr(sample.ours),
                repr(losses.get((sample.task, sample.position))),
            )
    judged = judge(
        opinion.key,
        opinion.samples,
        opinion.environment,
        worst=worst_losses(rules),
        choices=choice_tasks(rules),
        generated=generated,
    )
    if judged.view is not opinion.view or (judged.detail != opinion.detail):
        yield Difference(where, f"{opinion.view.value} {opinion.detail}".strip(), judged.view.value)

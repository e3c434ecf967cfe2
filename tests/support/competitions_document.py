"""docs/competitions.md, made from the schedules that ship.

``python -m tests.support.competitions_document`` writes it again; a test fails while it differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from sn37.app.schedule.load import PRESETS, LoadedSchedule, load_schedule
from sn37.domain.ids import Block
from sn37.domain.schedule.competition import Competition, Freshness, Task
from sn37.domain.schedule.epsilon import LinearEpsilon

DOCUMENT = Path(__file__).parents[2] / "docs" / "competitions.md"
_HEAD = """\
# For miners and contributors: the competitions

You want to know what a competition asks of a model before you train one. This page is made from the
schedules that ship. `sn37 schedule show` prints all numbers of one, and `sn37 miner competitions`
those that run now. [scoring.md](scoring.md) explains the methods, [datasets.md](datasets.md) the
data, [schedules.md](schedules.md) the file. A block takes 12 seconds: 7,200 blocks are a day.

Every task gives a model a loss, and a lower one is better:

| method | the loss is low if |
|---|---|
| `reference_loss` | the model finds the given answer to a question likely |
| `text_loss` | the model finds a given text likely |
| `multiple_choice` | the model finds the letter of the right option likely; guessing costs 1 |
| `instruction_rules` | the answer that the model writes follows the rules in the question |

The champion holds the crown and gets the competition's pay. A challenger takes the crown when its
score is lower by the margin, on enough samples to show that this is not chance: one round or more.
"""


def text() -> str:
    """The whole document."""
    return "\n".join([_HEAD, *(line for preset in PRESETS for line in _preset(preset))])


def _preset(preset: str) -> Iterator[str]:
    loaded = load_schedule(preset)
    yield f"## {preset}"
    yield ""
    for number in dict.fromkeys(c.id for s in loaded.schedule.stages for c in s.competitions):
        block, rules = [
            (s.from_block, c)
            for s in loaded.schedule.stages
            for c in s.competitions
            if c.id == number
        ][-1]
        yield from _competition(loaded, block, rules)


def _competition(loaded: LoadedSchedule, block: Block, rules: Competition) -> Iterator[str]:
    limits = rules.constraints
    yield f"### {rules.id}: {rules.name}"
    yield ""
    yield loaded.summary_at(block, rules) or "No summary."
    yield ""
    yield "| task | data | method | weight | samples in a round |"
    yield "|---|---|---|---|---|"
    for task in rules.tasks:
        yield (
            f"| {task.name} | {_data(task)} | `{task.method.value}` | {task.weight:.0%} "
            f"| {task.num_samples} |"
        )
    yield ""
    least = f"{limits.min_parameters:,} to " if limits.min_parameters else "at most "
    yield (
        f"- Models: {least}{limits.max_parameters:,} parameters, files of at most "
        f"{_size(limits.max_bytes)}, samples of at most {limits.max_tokens:,} tokens."
    )
    names = ", ".join(sorted(a.removesuffix("ForCausalLM") for a in limits.architectures))
    yield f"- Architectures: {names}."
    tokenizer = rules.tokenizer
    brings = "Each model brings its own tokenizer: losses of texts are bits per byte."
    if tokenizer is not None:
        brings = (
            f"All models use the tokenizer of {tokenizer.repo}: losses of texts are nats per token."
        )
    yield f"- {brings}"
    yield f"- A commitment is scored {rules.delay_blocks:,} blocks later. {_margin(rules)}"
    yield f"- Runs {' and '.join(_runs(loaded, rules))}."
    yield ""


def _data(task: Task) -> str:
    source = task.source
    if source.freshness is Freshness.NONE:
        return f"`{source.name}`, drawn by a later block hash"
    signed = "" if source.signers_netuid is None else f", signed on subnet {source.signers_netuid}"
    return f"`{source.name}`, at most {source.max_age_s / 3600:.2g} hours old{signed}"


def _size(size_bytes: int) -> str:
    is_small = size_bytes < 2**30
    return f"{size_bytes / 2 ** (20 if is_small else 30):.3g} {'MiB' if is_small else 'GiB'}"


def _margin(rules: Competition) -> str:
    epsilon = rules.epsilon
    if isinstance(epsilon, LinearEpsilon):
        return (
            f"A challenger must be better by {epsilon.start:.1%}, falling to {epsilon.stop:.1%} in "
            f"{epsilon.decay_blocks:,} blocks."
        )
    return f"A challenger must be better by {epsilon.end:.1%}."


def _runs(loaded: LoadedSchedule, rules: Competition) -> Iterator[str]:
    """The blocks of each stage with the competition, and its share of the emission there."""
    ends = [later.from_block for _, later in pairwise(loaded.schedule.stages)]
    for stage, end in zip(loaded.schedule.stages, [*ends, None], strict=True):
        for found in stage.competitions:
            if found.id == rules.id:
                until = "" if end is None else f" to {end - 1:,}"
                share = f"{found.reward_share:.0%} of the pay"
                yield f"from block {stage.from_block:,}{until} for {share}"


if __name__ == "__main__":
    DOCUMENT.write_text(text(), encoding="utf-8")

"""A commented example configuration, made from a competition's schedule."""

from __future__ import annotations

from collections.abc import Iterator

from sn37.app.config.settings import Settings
from sn37.domain.schedule.competition import Competition, Freshness, Task
from sn37.domain.schedule.methods import LEARNABLE_METHODS

_SMALL = 50_000_000  # parameters; up to here training all weights is quick on a CPU

_TRAINING = """\
[training]
epochs = 1.0               # or: steps = 500, which counts if both are there
#max_minutes = 120         # stop after so many minutes
batch_samples = 16         # samples of one step
learning_rate = {rate}     # at its peak
warmup_steps = 10
decay = "cosine"           # to a tenth of the peak; or "constant"
weight_decay = 0.0
clip_norm = 1.0            # largest norm of a step's gradient
weighting = "sample"       # every sample counts equally, as in the score; or "token"
precision = "{precision}"  # "float32", "mixed" (bfloat16 products), "bfloat16" (half the memory)
pack_tokens = 2048         # tokens packed into one pass, samples stay separate; 0: no packing
gradient_checkpointing = false  # less memory, a third more time
seed = 0
#threads = 4               # CPU threads; by default all
checkpoint_steps = 100     # the same command continues from the newest checkpoint
evaluate_steps = 100       # score on held-out samples, exactly as a validator does
patience = 5               # stop after so many evaluations without gain; 0: never
min_gain = 0.0             # smallest share of the score that counts as gain
"""

_LORA = """\
{off}[training.lora]       # train small adapters, merged before saving{why}
{off}rank = 16
{off}alpha = 32
{off}dropout = 0.0
"""


def example_for(rules: Competition, settings: Settings) -> str:
    """Return a file for ``load_config`` with a comment on every key."""
    return "\n".join(_parts(rules, settings))


def _parts(rules: Competition, settings: Settings) -> Iterator[str]:
    limits = rules.constraints
    yield (
        f"# Training for competition {rules.id} ({rules.name}): at most "
        f"{limits.max_parameters:,} parameters,\n# {limits.max_bytes:,} bytes, "
        f"{limits.max_tokens:,} tokens of each sample; {', '.join(sorted(limits.architectures))}."
        f"{_left_out(rules)}"
    )
    yield f"competition = {rules.id}"
    yield 'base = "base"              # folder of the model to start from'
    yield 'output = "my-model"        # folder of the trained model; must not exist'
    yield '#run = "my-model.run"      # checkpoints, data and loss.png; by default beside it'
    if rules.tokenizer is not None:
        yield f'#tokenizer = "FOLDER"      # {rules.tokenizer.repo}; by default downloaded'
    yield '#wandb_project = "sn37"    # needs pip install wandb\n'
    yield "[data]\nheld_out_samples = 64      # of each task, never trained on\n"
    named = set[str]()
    for task in rules.tasks:
        if task.method in LEARNABLE_METHODS and task.source.name not in named:
            named.add(task.source.name)
            yield _source(task, is_simnet=settings.is_simnet)
    small = limits.max_parameters <= _SMALL
    yield _TRAINING.format(
        rate="5e-4" if small else "2e-5", precision="float32" if small else "mixed"
    )
    why = "" if small else "; remove the table to train all weights"
    yield _LORA.format(off="#" if small else "", why=why)


def _left_out(rules: Competition) -> str:
    """Name the tasks that the file has no source for, with their weights in the score."""
    tasks = [
        f"{t.name} ({t.weight:.0%} of the score)"
        for t in rules.tasks
        if t.method not in LEARNABLE_METHODS
    ]
    return f" No rows for {', '.join(tasks)}; see docs/training.md." if tasks else ""


def _source(task: Task, *, is_simnet: bool) -> str:
    source = task.source
    lines = ["[[data.sources]]", f'name = "{source.name}"']
    if source.freshness is Freshness.NONE:
        lines.append(
            "num_samples = 1000         # the same rows in every round, see docs/training.md"
        )
    elif is_simnet:
        lines.append(
            "block = 900                # rows up to this block; `evaluate` needs newer ones"
        )
        lines.append(
            "hours = 3.0                # of so many hours; the source has few different texts"
        )
    else:
        lines.append(
            "hours = 24.0               # rows of so many hours up to now; until = 2026-01-02 ends"
        )
        lines.append(
            "                           # earlier, newer rows are left for `sn37 miner evaluate`"
        )
    if source.signers_netuid is not None:
        lines.append('#trusted = ["HOTKEY"]      # signers; by default those the chain trusts')
    return "\n".join(lines) + "\n"

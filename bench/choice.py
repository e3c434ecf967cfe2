"""Questions with options by the worker's code, against one question at a time, in the same run.

The other side is a plain loop: transformers' own model in float32, one forward pass for each answer
of each question, log-softmax over the full logits. Passes of both sides alternate in processes of
their own, and medians are reported. Weights are random, of a published model's shape. Answers that
are generated are compared with transformers' own ``generate`` (``generation_runs``).

    python bench/choice.py [--shape 135m] [--count 32] [--options 4] [--words 60] [--json FILE]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import scorer_inputs as inputs
import scorer_runs
import torch
from generation_runs import generation_figures, vocabulary_of
from scorer_runs import in_a_process

from sn37.adapters.scoring.model import determinism, loading
from sn37.adapters.scoring.model.encoding import Encoder
from sn37.adapters.scoring.model.losses import LossModel
from sn37.adapters.scoring.model.plain import PlainModel, load_plainly
from sn37.adapters.scoring.model.template import own_template, shape_of
from sn37.adapters.scoring.model.tokenizing import load_tokenizer
from sn37.adapters.scoring.questions import EncodedQuestion, answer_nats
from sn37.adapters.simnet.feed.corpus import standard_library_pairs
from sn37.domain.data.batches import BLOCK_SAMPLES, TaskBatch
from sn37.domain.data.samples import Provenance, Sample
from sn37.domain.ids import TaskName
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.model_limits import NormLimits
from sn37.domain.scoring.choices import ChoiceQuestion, asked, question_key
from sn37.testing.figures import print_table, write_figures

ARCHITECTURE = "LlamaForCausalLM"
MAX_TOKENS = 1024
FIGURES = {Method.MULTIPLE_CHOICE: "choice_speedup", Method.CHOICE_TEXT: "likelihood_speedup"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One model and the questions it is asked."""

    model: Path
    dtype: str
    threads: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Pass:
    """One side's answers to all questions, and the time without loading and encoding."""

    seconds: float
    right: tuple[int, ...]  # the likeliest answer to each question
    tokens: float  # mean length of a question


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, write figures."""
    options = _options().parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        in_a_process(inputs.random_model, folder, options.shape, "cpu")
        setting = Setting(
            model=folder,
            dtype=options.dtype,
            threads=options.threads,
            samples=some_questions(options.count, options.options, options.words),
        )
        figures = _compare_choices(setting, options.runs)
        generated = generation_figures(
            scorer_runs.Setting(
                model=folder, device="cpu", dtype="float32", threads=options.threads
            ),
            count=options.prompts,
            num_runs=options.runs,
        )
        figures |= generated | {
            "same_answers_fp32": min(one["same_answers_fp32"] for one in (figures, generated))
        }
    print_table("figures", ("figure", "value"), sorted(figures.items()))
    write_figures(options.json, figures, libraries=("torch", "transformers", "tokenizers"))
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=sorted(inputs.SHAPES), default="135m")
    parser.add_argument("--count", type=int, default=32, help="questions (default 32)")
    parser.add_argument("--prompts", type=int, default=32, help="to answer (default 32)")
    parser.add_argument("--options", type=int, default=4, help="options of each (default 4)")
    parser.add_argument("--words", type=int, default=60, help="words of a question (default 60)")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3, help="of each side (default 3)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser


def some_questions(count: int, num_options: int, words: int) -> tuple[Sample, ...]:
    """Questions of the standard library's documentation, with options of 2 to 10 words."""
    draw = random.Random(37)
    known = [w for pair in standard_library_pairs()[:200] for w in pair.response.split()]

    def passage(length: int) -> str:
        first = draw.randrange(len(known) - length)
        return " ".join(known[first : first + length])

    samples = []
    for number in range(count):
        options = tuple(f"{passage(draw.randint(2, 10))} {n}" for n in range(num_options))
        samples.append(
            Sample(
                prompt=passage(max(1, words + draw.randint(-words // 2, words // 2))),
                reference=draw.choice(options),
                choices=options,
                provenance=Provenance(row_id=f"row-{number}"),
            )
        )
    return tuple(samples)


def _compare_choices(setting: Setting, runs: int) -> dict[str, float]:
    """Return the figures of both methods; print a table of the passes."""
    figures: dict[str, float] = {}
    rows, agreed, total = [], 0, 0
    for method, name in FIGURES.items():
        passes = [
            (in_a_process(_ours, setting, method), in_a_process(_plain, setting, method))
            for _ in range(runs)
        ]
        seconds = [median(side.seconds for side in sides) for sides in zip(*passes, strict=True)]
        ours, plain = passes[0]
        agreed += sum(a == b for a, b in zip(ours.right, plain.right, strict=True))
        total += len(ours.right)
        figures[name] = seconds[1] / seconds[0]
        rows.append((method.value, ours.tokens, *seconds, figures[name]))
    if setting.dtype == "float32":
        figures["same_answers_fp32"] = agreed / total
    print_table(
        f"{len(setting.samples)} questions, {setting.dtype}",
        ("method", "tokens a question", "ours, s", "one at a time, s", "speedup"),
        rows,
    )
    return figures


def _ours(setting: Setting, method: Method) -> Pass:
    """Score by the worker's code, in blocks as the validator streams them."""
    device = determinism.configure(device="cpu", threads=setting.threads)
    model = loading.load_model(
        setting.model,
        architecture=ARCHITECTURE,
        max_parameters=10**12,
        dtype=setting.dtype,
        device=device,
        norms=NormLimits(),
    )
    return _timed(setting, method, LossModel(model), BLOCK_SAMPLES)


def _plain(setting: Setting, method: Method) -> Pass:
    """Score by transformers' own forward, one answer at a time."""
    device = determinism.configure(device="cpu", threads=setting.threads)
    model = load_plainly(
        setting.model, architecture=ARCHITECTURE, device=device, dtype=setting.dtype
    )
    return _timed(setting, method, PlainModel(model), 1)


def _timed(setting: Setting, method: Method, scorer: LossModel | PlainModel, block: int) -> Pass:
    tokenizer = load_tokenizer(setting.model)
    vocabulary = vocabulary_of(setting.model)
    encoder = Encoder(tokenizer, prescribed=True, max_tokens=MAX_TOKENS, vocabulary=vocabulary)
    shape = shape_of(own_template(setting.model), tokenizer.special_tokens)
    told = _asked(setting, method)
    questions = [EncodedQuestion(encoder.answers(shape, q.prompt, q.answers)) for q in told]
    answer_nats(questions[:1], encoder, scorer)  # the first pass allocates
    began = time.perf_counter()
    nats = [
        found
        for first in range(0, len(questions), block)
        for found in answer_nats(questions[first : first + block], encoder, scorer)
    ]
    seconds = time.perf_counter() - began
    shares = [q.shares(n) for q, n in zip(told, nats, strict=True)]
    return Pass(
        seconds=seconds,
        right=tuple(held.index(max(held)) for held in shares),
        tokens=sum(q.answers[0].first for q in questions) / len(questions),
    )


def _asked(setting: Setting, method: Method) -> list[ChoiceQuestion]:
    batch = TaskBatch(task=TaskName("quiz"), method=method, samples=setting.samples)
    options = method.traits.options
    if options is None:
        raise ValueError(f"{method} asks no questions with options")
    key = question_key((batch,))
    return [asked(sample, batch.task, options, key) for sample in batch.samples]


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())

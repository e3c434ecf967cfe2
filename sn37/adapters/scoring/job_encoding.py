"""Encoding of all samples of an order as tokens, before the first is scored. Child side.

A text that a tokenizer loses or cannot encode costs bits (``encoding``) and convicts nobody. A
model's own tokenizer is rejected if it fails on more than one in twenty of the probes, plain
English that every honest tokenizer restores, and also of the order's samples. All samples of a
round count, including those of skipped blocks, so that the verdict does not depend on where a
validator was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sn37.adapters.scoring.messages import BlockOrder
from sn37.adapters.scoring.model.answering.generation import Prompt
from sn37.adapters.scoring.model.encoding import Encoded, Encoder, encode_pairs
from sn37.adapters.scoring.model.faults import ModelFault, OurFault
from sn37.adapters.scoring.model.probes import PROBES
from sn37.adapters.scoring.model.template import Shape
from sn37.adapters.scoring.questions import EncodedQuestion
from sn37.domain.reasons import Reason
from sn37.domain.scoring.worst_loss import are_too_many


@dataclass(slots=True)
class EncodedBlock:
    """The samples of one block: texts, questions or prompts to be answered."""

    texts: list[Encoded] = field(default_factory=list)
    questions: list[EncodedQuestion] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)


def encode_blocks(
    blocks: Sequence[BlockOrder], shape: Shape | None, encoder: Encoder
) -> list[EncodedBlock]:
    """Encode every sample, block by block.

    Args:
        shape: Of the template; not needed for texts.

    Raises:
        ModelFault: ``tokenizer``: the model's own tokenizer loses too many texts.
    """
    total = sum(block.num_samples for block in blocks)
    is_suspect = encoder.pays_by_byte and _loses_too_many(map(encoder.text, PROBES), len(PROBES))
    encoded: list[EncodedBlock] = []
    num_lost = 0
    for block in blocks:
        encoded.append(EncodedBlock(prompts=list(_prompts(block, shape, encoder))))
        for sample in _samples(block, shape, encoder):
            if isinstance(sample, Encoded):
                encoded[-1].texts.append(sample)
            else:
                encoded[-1].questions.append(sample)
            num_lost += bool(sample.fault)
            if is_suspect and are_too_many(num_lost, total):
                raise ModelFault(
                    Reason.TOKENIZER,
                    f"the tokenizer fails on plain English and on {num_lost} or more of {total} "
                    f"samples: "
                    f"{sample.fault}",
                )
    return encoded


def _samples(
    block: BlockOrder, shape: Shape | None, encoder: Encoder
) -> Iterator[Encoded | EncodedQuestion]:
    yield from encode_pairs(block.pairs, block.method, shape, encoder)
    for prompt, answers in block.questions:
        if shape is None or not block.method.traits.is_choice:
            raise OurFault(f"this worker cannot encode a question of {block.method}")
        yield EncodedQuestion(encoder.answers(shape, prompt, answers))


def _prompts(block: BlockOrder, shape: Shape | None, encoder: Encoder) -> Iterator[Prompt]:
    for prompt, num_options in block.prompts:
        if shape is None or not block.method.traits.is_generated:
            raise OurFault(f"this worker cannot answer a prompt of {block.method}")
        ids, budget = encoder.prompt(shape, prompt, max_new_tokens=block.max_new_tokens)
        yield Prompt(ids=ids, budget=budget, num_options=num_options)


def _loses_too_many(texts: Iterable[Encoded], total: int) -> bool:
    """True if more texts fail than allowed; stops there, since a failure can take a second."""
    num_lost = 0
    for text in texts:
        num_lost += bool(text.fault)
        if are_too_many(num_lost, total):
            return True
    return False

"""Tiny models that are taught to answer questions with options."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from sn37.adapters.scoring.model.encoding import Encoded, Encoder
from sn37.adapters.scoring.model.template import own_template, shape_of
from sn37.adapters.scoring.model.tokenizing import load_tokenizer
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Digest, TaskName
from sn37.domain.schedule.methods import Options
from sn37.domain.scoring.choices import ChoiceQuestion, asked
from sn37.testing.builders import a_sample
from sn37.testing.tiny_models import VOCABULARY, save_model

COLOURS = ("red", "blue", "green", "black", "white")
_IGNORED = -100  # cross_entropy leaves these targets out


def a_riddle(draw: random.Random, row_id: str) -> Sample:
    """A question that names its answer: small models learn it in seconds."""
    options = tuple(draw.sample(COLOURS, 4))
    right = draw.choice(options)
    return a_sample(row_id, prompt=f"{right}?", reference=right, choices=options)


def taught(
    folder: Path,
    options: Options,
    answer: Callable[[ChoiceQuestion], str],
    *,
    steps: int,
    batch: int = 16,
) -> Path:
    """Save a model that was taught to give ``answer`` to riddles in all wordings.

    ``steps`` of 0 leave it as it begins, without knowledge.
    """
    model = save_model(folder, initializer_range=0.05)
    tokenizer = load_tokenizer(folder)
    encoder = Encoder(tokenizer, prescribed=False, max_tokens=256, vocabulary=VOCABULARY)
    shape = shape_of(own_template(folder), tokenizer.special_tokens)
    draw = random.Random(37)

    def lesson() -> Encoded:
        question = asked(a_riddle(draw, "lesson"), TaskName("quiz"), options, _key(draw))
        (found,) = encoder.answers(shape, question.prompt, (answer(question),))
        return found

    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        rows = [lesson() for _ in range(batch)]
        length = max(len(row.ids) for row in rows)
        ids = torch.zeros(batch, length, dtype=torch.long)
        targets = torch.full((batch, length), _IGNORED)
        for number, row in enumerate(rows):
            ids[number, : len(row.ids)] = torch.tensor(row.ids)
            targets[number, row.first : len(row.ids)] = ids[number, row.first : len(row.ids)]
        logits = model(input_ids=ids).logits
        loss = cross_entropy(logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    model.save_pretrained(folder)
    return folder


def _key(draw: random.Random) -> Digest:
    return Digest(f"{draw.getrandbits(256):064x}")

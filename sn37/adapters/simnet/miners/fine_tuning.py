"""Fine-tuning on responses: a plain AdamW loop on the CPU.

Shapes: B rows of a batch, L tokens, V vocabulary. Only the training child may import this
module, because it imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import LlamaForCausalLM

from sn37.adapters.simnet.miners.roster import Training

IGNORED = -100  # label of a position without loss


@dataclass(frozen=True, slots=True)
class Row:
    """Token ids of one text; training predicts those from ``first`` on."""

    ids: tuple[int, ...]
    first: int


def pair_row(
    tokenizer: Tokenizer, affixes: tuple[str, str, str], prompt: str, response: str
) -> Row:
    """Return a row whose loss is that of the response, tokenised separately as in scoring."""
    before, between, after = affixes
    context = tokenizer.encode(before + prompt + between, add_special_tokens=False).ids
    target = tokenizer.encode(response, add_special_tokens=False).ids
    end = tokenizer.encode(after, add_special_tokens=False).ids
    return Row((*context, *target, *end), len(context))


def plain_row(tokenizer: Tokenizer, text: str) -> Row:
    """Return a row for pre-training: every token but the first is predicted."""
    return Row(tuple(tokenizer.encode(text, add_special_tokens=False).ids), 1)


def train(
    model: LlamaForCausalLM,
    rows: Sequence[Row],
    *,
    steps: int,
    training: Training,
    seed: int,
    progress: Callable[[int], None],
) -> None:
    """Train ``model`` in place on batches that depend on ``seed`` only.

    Raises:
        ValueError: No row has a token to learn among its first ``training.tokens``.
    """
    usable = [row for row in rows if row.first < min(len(row.ids), training.tokens)]
    if not usable:
        raise ValueError(f"no row has a token to learn within {training.tokens} tokens")
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=training.learning_rate, betas=(0.9, 0.95), weight_decay=0.01
    )
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = training.learning_rate * _rate(step, steps)
        picks = torch.randint(len(usable), (training.batch,), generator=generator).tolist()
        ids_BL, labels_BL = _batch([usable[i] for i in picks], training.tokens)  # noqa: N806
        logits_BLV = model(ids_BL, use_cache=False).logits  # noqa: N806
        loss = functional.cross_entropy(
            logits_BLV[:, :-1].flatten(0, 1), labels_BL[:, 1:].flatten(), ignore_index=IGNORED
        )
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        progress(step + 1)


def _rate(step: int, steps: int) -> float:
    """Return the share of the peak learning rate: a warm-up of a tenth of the steps (10 at
    most), then a cosine.
    """
    warmup = min(1.0, (step + 1) / min(10, max(1, steps // 10)))
    return warmup * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def _batch(rows: Sequence[Row], tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and labels of B rows, cut to ``tokens`` and padded on the right."""
    length = min(tokens, max(len(row.ids) for row in rows))
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    labels = torch.full((len(rows), length), IGNORED)
    for i, row in enumerate(rows):
        kept = row.ids[:length]
        ids[i, : len(kept)] = torch.tensor(kept)
        labels[i, row.first : len(kept)] = torch.tensor(kept[row.first :])
    return ids, labels

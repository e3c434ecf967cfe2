"""One step of the optimizer over packed rows.

Shapes: T tokens of a row, P of them followed by a token that is scored, V vocabulary.
"""

# ruff: noqa: N806  (shape letters)

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import sha256

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from sn37.adapters.scoring.model.packing import Pack, packs
from sn37.adapters.training.attention import TrainingAttention, can_pack
from sn37.adapters.training.devices import Devices
from sn37.adapters.training.models import trained_parameters
from sn37.adapters.training.rows import Row, gradient_weights
from sn37.domain.training import Precision, Recipe

BETAS = (0.9, 0.95)  # shorter memory of the second moment than Adam's 0.999, as for most LLMs


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Result of a step."""

    loss: float  # mean over its samples, in the competition's unit
    tokens: int  # scored


class Learner:
    """A model, its optimizer, and their devices.

    Args:
        model: transformers' own, to recognize its attention; adapters are inside it already.
        trained: The same, or peft's wrapper around it.
    """

    def __init__(
        self, model: PreTrainedModel, trained: nn.Module, recipe: Recipe, devices: Devices
    ) -> None:
        self.weights = trained_parameters(trained)
        self.optimizer = _optimizer(self.weights, recipe)
        # It plans for each new length, which takes nearly a second for the eight of a step.
        torch.backends.cuda.enable_cudnn_sdp(False)
        self._recipe = recipe
        self._devices = devices
        self._attention = TrainingAttention(model) if can_pack(model) else None
        self._pack_tokens = recipe.pack_tokens if self._attention is not None else 0
        self._takes_places = "logits_to_keep" in inspect.signature(model.forward).parameters
        if recipe.gradient_checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})
        trained.train()
        self._model: nn.Module = devices.prepare(trained)

    def step(self, number: int, rows: Sequence[Row]) -> Learned:
        """Train on ``rows``, which must be the same in every process."""
        world, rank = self._devices.num_processes, self._devices.process
        rate = self._recipe.learning_rate_at(number)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        # Dropout depends only on seed, step and process: a resumed run needs no state.
        torch.manual_seed(_seed(self._recipe.seed, number, rank))
        weights = gradient_weights(rows, self._recipe.weighting)
        # From the longest on, so that packs fill up and processes get shares of similar size.
        order = sorted(range(len(rows)), key=lambda n: -rows[n].tokens)[rank::world]
        mine, mine_weights = [rows[n] for n in order], [weights[n] for n in order]
        found = list(packs([row.encoded for row in mine], self._pack_tokens))
        total = torch.zeros((), device=self._devices.device)
        for pack in found:
            is_last = pack is found[-1]
            with nullcontext() if is_last else self._devices.without_averaging(self._model):
                nats = self.sums(pack)
                weight = nats.new_tensor([mine_weights[n] for n in pack.numbers])
                # Gradients are averaged over processes, and each process has a share of the sum.
                self._devices.backward((nats * weight).sum() * world)
            per_nat = nats.new_tensor([mine[n].per_nat for n in pack.numbers])
            total += (nats.detach() * per_nat).sum()
        torch.nn.utils.clip_grad_norm_(self.weights.values(), self._recipe.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        fixed = sum(row.fixed for row in rows)
        return Learned(
            loss=(self._devices.total(total) + fixed) / len(rows),
            tokens=sum(row.encoded.num_scored for row in rows),
        )

    def sums(self, pack: Pack) -> Tensor:
        """Return -log p summed over the scored tokens of each sample of a pack, float32."""
        device = self._devices.device
        places_P = torch.tensor(pack.before_scored, device=device)
        inputs: dict[str, Tensor] = {"input_ids": torch.tensor([pack.ids], device=device)}
        if self._attention is not None:
            self._attention.bounds = pack.bounds
            inputs["position_ids"] = torch.tensor([pack.positions], device=device)
        if self._takes_places:
            inputs["logits_to_keep"] = places_P
        mixed = self._recipe.precision is Precision.MIXED
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=mixed):
            logits_PV = self._model(**inputs, use_cache=False).logits.squeeze(0)
        if not self._takes_places:
            logits_PV = logits_PV[places_P]
        targets_P = torch.tensor(pack.targets, device=device)
        nats_P = cross_entropy(logits_PV.float(), targets_P, reduction="none")
        counts = [sample.num_scored for sample in pack.samples]
        return torch.stack([part.sum() for part in torch.split(nats_P, counts)])


def _optimizer(weights: dict[str, nn.Parameter], recipe: Recipe) -> torch.optim.AdamW:
    matrices = [p for p in weights.values() if p.dim() > 1]
    others = [p for p in weights.values() if p.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=recipe.learning_rate, betas=BETAS
    )


def _seed(seed: int, step: int, process: int) -> int:
    digest = sha256(f"sn37/dropout/1|{seed}|{step}|{process}".encode()).digest()
    return int.from_bytes(digest[:7], "big")

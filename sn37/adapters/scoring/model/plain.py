"""A second implementation of losses, for the checks before a crown. Child side.

Deliberately independent: transformers' own model with its own attention, weights widened to
float32, which is exact, one sample at a time, log-softmax over the full logits. It uses none of
our own arithmetic: attention, heads, packing and product rules. Token ids follow the
competition's rules, as ours do.
"""

# ruff: noqa: N806  (shape letters: T tokens of a sample, V vocabulary)

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedModel

from sn37.adapters.scoring.model.answering.generation import Answer, Prompt
from sn37.adapters.scoring.model.answering.stopping import Stops
from sn37.adapters.scoring.model.encoding import Encoded
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.loading import DTYPES, opened_config
from sn37.domain.reasons import Reason


def load_plainly(
    folder: Path, *, architecture: str, device: torch.device, dtype: str = "float32"
) -> PreTrainedModel:
    """Return the model as any user would load it, in float32.

    Args:
        dtype: Of the weights in the competition; values that a model derives from its config in
            that dtype are part of the model.

    Raises:
        ModelFault: ``architecture``: it loads as another class.
    """
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        folder,
        config=opened_config(folder),
        dtype=torch.float32,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
    )
    if type(model).__name__ != architecture:
        raise ModelFault(
            Reason.ARCHITECTURE, f"it loads as {type(model).__name__}, not as {architecture}"
        )
    _round_scales(model, DTYPES[dtype])
    model.requires_grad_(False)
    model.train(mode=False)
    module: torch.nn.Module = model  # transformers' wrapper of to() has no types
    module.to(device)
    return model


class PlainModel:
    """Losses of a model by its own forward pass."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        # The model's folder may have budgets, ends and penalties of its own. transformers takes
        # them for whatever a caller leaves open.
        model.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]

    def nats(self, samples: Sequence[Encoded]) -> list[float]:
        """Return the sum of -log p over each sample's scored tokens."""
        return [self._nats(sample) if sample.num_scored else 0.0 for sample in samples]

    def answers(
        self, prompts: Sequence[Prompt], stops: Stops, decode: Callable[[Sequence[int]], str]
    ) -> list[Answer]:
        """Return greedy answers by the library's own ``generate``, without counting near-ties."""
        return [self._answer(prompt, stops, decode) for prompt in prompts]

    @torch.inference_mode()
    def _answer(
        self, prompt: Prompt, stops: Stops, decode: Callable[[Sequence[int]], str]
    ) -> Answer:
        if not prompt.ids:
            return Answer(text="", ids=(), near_ties=0)
        ids_1T = torch.tensor([prompt.ids], device=self._model.device)
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=prompt.budget,
            do_sample=False,
            eos_token_id=sorted(stops.tokens) or None,
            pad_token_id=0,
        )
        generated: Tensor = self._model.generate(  # type: ignore[operator]
            ids_1T, attention_mask=torch.ones_like(ids_1T), generation_config=config
        )
        ids = generated[0, len(prompt.ids) :].tolist()
        ids = ids[:-1] if ids and ids[-1] in stops.tokens else ids
        text = stops.cut(decode(ids), max_bytes=prompt.max_bytes)
        return Answer(text=text, ids=tuple(ids), near_ties=0)

    @torch.inference_mode()
    def _nats(self, sample: Encoded) -> float:
        ids_T = torch.tensor(sample.ids, device=self._model.device)
        logits_TV = self._model(
            input_ids=ids_T.unsqueeze(0), use_cache=False, return_dict=True
        ).logits[0]
        before_PV = logits_TV[sample.first - 1 : -1].float()
        log_p_PV = torch.log_softmax(before_PV, dim=-1)
        targets_P1 = ids_T[sample.first :].unsqueeze(1)
        return -float(log_p_PV.gather(1, targets_P1).double().sum())


def _round_scales(model: PreTrainedModel, dtype: torch.dtype) -> None:
    """Round Gemma's factor of its embeddings, the root of their width, to the weights' dtype.

    In bfloat16 every user of the model has 55.5 for 55.43. That is 0.1 % of the scale, and up to
    0.07 % of a tiny model's loss.
    """
    for name, buffer in model.named_buffers():
        if name.endswith("embed_scale"):
            buffer.copy_(buffer.to(dtype))

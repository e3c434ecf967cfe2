"""A token's loss depends on what precedes it in its own sample, on nothing else. Child side.

Two ways were found by which a config alone breaks this, with any weights, in every family:
attention that sees what follows, where a trained model copies the answer, and rotary
frequencies that follow the longest sequence seen so far.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from sn37.adapters.cuda.faults import ModelFault
from sn37.domain.reasons import Reason

_PROBE_TOKENS = 32
_STRIDE = 7919  # a prime: spreads the probe over the vocabulary


def check_independence(model: PreTrainedModel, *, vocabulary: int, max_tokens: int) -> None:
    """Look at the config's frequencies, and at what the loaded model does.

    Raises:
        ModelFault: ``bad_config``.
    """
    _check_frequencies(model.config, max_tokens)
    _check_causal(model, vocabulary)


def _check_frequencies(config: PreTrainedConfig, max_tokens: int) -> None:
    # Within the original length both types are plain; beyond it a sample would be scored
    # with the frequencies of its neighbours in the batch or of its predecessors.
    parameters = getattr(config, "rope_parameters", None) or {}
    for rope in (parameters, *parameters.values()):  # some families have one per kind of layer
        if not isinstance(rope, Mapping):
            continue
        kind = str(rope.get("rope_type"))
        if "dynamic" not in kind and kind != "longrope":
            continue
        length = rope.get("original_max_position_embeddings") or config.max_position_embeddings
        length = min(length, config.max_position_embeddings)
        if length < max_tokens:
            raise ModelFault(
                Reason.BAD_CONFIG,
                f"rope type {kind} changes beyond {length} tokens, "
                f"within the competition's {max_tokens}",
            )


@torch.inference_mode()
def _check_causal(model: PreTrainedModel, vocabulary: int) -> None:
    half = _PROBE_TOKENS // 2
    one = torch.arange(_PROBE_TOKENS) * _STRIDE % vocabulary
    other = torch.cat([one[:half], (one[half:] + 1) % vocabulary])
    seen, changed = (
        model.base_model(input_ids=ids.unsqueeze(0).to(model.device), use_cache=False)[0][0, :half]
        for ids in (one, other)
    )
    # Kernels treat positions alike whatever the others hold: the same bits are expected, one
    # unit in the last place is granted. NaN has no opinion; its loss will be NaN.
    largest = seen.abs().nan_to_num().max()
    difference = (seen - changed).abs().nan_to_num().max()
    if difference > torch.finfo(seen.dtype).eps * largest:
        raise ModelFault(Reason.BAD_CONFIG, "attention sees the tokens that follow")

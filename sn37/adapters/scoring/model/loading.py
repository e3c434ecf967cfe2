"""Loading of a model from untrusted files, which give every parameter. Child side.

transformers is permissive: it fills missing tensors with random numbers, obeys config keys that
select code or kernels, and attaches adapters that it finds. All of that is rejected here.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from transformers import (
    CONFIG_MAPPING,
    AutoModelForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
)

from sn37.adapters.admission.config import CheckedConfig, check_json, check_window, read_config
from sn37.adapters.admission.files import CONFIG
from sn37.adapters.admission.header import Header
from sn37.adapters.admission.side_keys import SIDE_FILES
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.model_config import build_config
from sn37.adapters.scoring.model.tensor_names import match_names
from sn37.adapters.scoring.model.tensors import read_headers, tensors
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import NormLimits
from sn37.domain.submission.constraints import limit_of, size_violation
from sn37.ports.errors import ModelRejected

_P = ParamSpec("_P")
_T = TypeVar("_T")

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# The families that schedules allow, and others that miners may use in a competition of one's own.
_WARM = (
    "bart",
    "falcon",
    "gemma",
    "gemma2",
    "gpt_neox",
    "llama",
    "mistral",
    "phi",
    "phi3",
    "qwen2",
    "qwen3",
)


def warm() -> None:
    """Import the modules that loading needs, so that forked workers have them."""
    for family in _WARM:
        importlib.import_module(f"transformers.models.{family}.modeling_{family}")


def check_configs(folder: Path, *, max_tokens: int | None = None) -> None:
    """Check the model's JSON before transformers reads it, like admission: it selects code.

    Args:
        max_tokens: Of the competition, if there is one.

    Raises:
        ModelFault: ``bad_config`` or ``architecture``, as in :func:`read_config`; or an adapter is
            in the model's folder.
    """
    if any(folder.glob("adapter_*")):
        raise ModelFault(Reason.BAD_CONFIG, "the folder has adapter files: merge them")
    if (folder / CONFIG).exists():
        config = checked_config(folder)
        if max_tokens is not None:
            _as_fault(check_window, config, max_tokens)
    for name in SIDE_FILES:
        if (folder / name).exists():
            _as_fault(check_json, name, (folder / name).read_bytes())


def checked_config(folder: Path) -> CheckedConfig:
    """Return the checked settings of the model's config.json.

    Raises:
        ModelFault: ``bad_config`` or ``architecture``, as in :func:`read_config`.
    """
    return _as_fault(read_config, (folder / CONFIG).read_bytes())


def _as_fault(check: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run a check of admission; raise its rejection as the worker's own."""
    try:
        return check(*args, **kwargs)
    except ModelRejected as error:
        raise ModelFault(error.reason, str(error)) from error


def opened_config(folder: Path) -> PreTrainedConfig:
    """Return transformers' config, for the model's own forward pass and for training.

    Phi-3's first release calls its rotary type ``su``, which transformers 5.23 takes for longrope
    and then finds incomplete; it is given the later name.

    Raises:
        ModelFault: As in :func:`checked_config`.
    """
    checked_config(folder)
    kept = json.loads((folder / CONFIG).read_bytes())
    for key in ("rope_scaling", "rope_parameters"):
        rope = kept.get(key) or {}
        for name in ("type", "rope_type"):
            if rope.get(name) == "su":
                rope[name] = "longrope"
    config: PreTrainedConfig = CONFIG_MAPPING[kept["model_type"]].from_dict(kept)
    return config


def load_model(
    folder: Path,
    *,
    architecture: str,
    max_parameters: int,
    dtype: str,
    device: torch.device,
    norms: NormLimits | None = None,
) -> PreTrainedModel:
    """Return the model in evaluation mode; every parameter is from its files, finite and in range.

    It is built on the meta device, where it has shapes but no memory, and compared with the
    rules and the files' headers; then each tensor is copied from the mapped file to ``device``.
    The config itself is not used: the model is built only from the settings that the allow-list
    makes of it. Its attention is replaced before anything is scored (``packed_bodies``).

    Raises:
        ModelFault: ``bad_config``, ``architecture``, ``parameters``, ``non_finite``, ``norm``, or
            ``unloadable``: a tensor is missing, unknown or of another shape.
    """
    config = build_config(checked_config(folder))
    with torch.device("meta"):
        model = _from_config(config, DTYPES[dtype])
    if type(model).__name__ != architecture:
        raise ModelFault(
            Reason.ARCHITECTURE, f"it loads as {type(model).__name__}, not as {architecture}"
        )
    if (count := model.num_parameters()) > max_parameters:
        raise ModelFault(
            Reason.PARAMETERS, f"{count} parameters, at most {max_parameters} are allowed"
        )
    headers = read_headers(folder)
    names = match_names(model, headers)
    _compute_buffers(model)
    _fill(model, headers, names, device, norms or NormLimits())
    model.requires_grad_(False)
    model.train(mode=False)  # dropout off
    module: nn.Module = model  # transformers' wrapper of to() has no types
    module.to(device)  # only the computed buffers are still to be moved
    return model


def _from_config(config: PreTrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    model: PreTrainedModel = AutoModelForCausalLM.from_config(
        config, dtype=dtype, trust_remote_code=False
    )  # type: ignore[no-untyped-call]
    return model


def _compute_buffers(model: PreTrainedModel) -> None:
    """Compute the buffers that files do not contain, such as rotary frequencies.

    transformers computes them where it initialises weights. All weights are still on the meta
    device, where initialising costs and changes nothing.
    """
    for name, buffer in model.named_non_persistent_buffers():
        owner, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(owner), leaf, torch.empty_like(buffer, device="cpu"))
    model.initialize_weights()  # type: ignore[no-untyped-call]


def _fill(
    model: PreTrainedModel,
    headers: Mapping[Path, Header],
    names: Mapping[str, str],
    device: torch.device,
    norms: NormLimits,
) -> None:
    """Replace the meta tensors by the files' tensors.

    Args:
        names: As returned by :func:`match_names`.
    """
    expected = model.state_dict()
    dtypes = {theirs: expected[ours].dtype for theirs, ours in names.items()}
    found: dict[str, Tensor] = {}
    for theirs, tensor in tensors(headers, dtypes, device):
        # One pass without a copy; both bounds are NaN if any element is NaN.
        largest = float(torch.stack(torch.aminmax(tensor)).abs().max())
        if not math.isfinite(largest):
            raise ModelFault(Reason.NON_FINITE, f"{theirs} contains NaN or infinity")
        # Admission checked the number in the file, which may have been rounded up since.
        rounded = largest * (1 - torch.finfo(tensor.dtype).eps)
        if rounded > limit_of(theirs, tensor.dim(), norms) and (
            violation := size_violation(theirs, tensor.dim(), largest, norms)
        ):
            raise ModelFault(violation.reason, violation.detail)
        found[names[theirs]] = nn.Parameter(tensor, requires_grad=False)
    for one, other in model.all_tied_weights_keys.items():
        if one in found and other in found and not torch.equal(found[one], found[other]):
            raise ModelFault(
                Reason.UNLOADABLE, f"{one} and {other} differ, although the config ties them"
            )
        found[one] = found[other] = found[other] if other in found else found[one]
    model.load_state_dict(found, assign=True)  # strict: raises for missing tensors


def vocabulary(model: PreTrainedModel) -> int:
    """Return the number of rows of the model's embedding."""
    embedding = model.get_input_embeddings()
    if not isinstance(embedding, nn.Embedding):
        raise ModelFault(Reason.ARCHITECTURE, "the model has no table of token embeddings")
    return embedding.num_embeddings

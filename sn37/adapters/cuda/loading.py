"""From files a stranger wrote to a model whose every parameter came from them. Child side.

transformers is generous: it fills missing tensors with random numbers, honours keys of a
config that select code or kernels, attaches adapters it finds. All of it is refused here.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from sn37.adapters.admission.config import check_json
from sn37.adapters.cuda.faults import ModelFault
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
CONFIGS = ("config.json", "generation_config.json", "tokenizer_config.json")
_WARM = ("gemma", "gemma2", "llama", "mistral", "phi3", "qwen2", "qwen3")


def warm() -> None:
    """Import what loading would import, so that forked workers have it."""
    for family in _WARM:
        importlib.import_module(f"transformers.models.{family}.modeling_{family}")


def check_configs(folder: Path) -> None:
    """Look at the model's JSON before transformers does, as admission has: it decides on code.

    Raises:
        ModelFault: ``bad_config``, as ``check_json``; or an adapter lies beside the model.
    """
    if any(folder.glob("adapter_*")):
        raise ModelFault(Reason.BAD_CONFIG, "adapter files beside the model: merge them")
    for name in CONFIGS:
        path = folder / name
        if not path.exists():
            continue
        try:
            check_json(name, path.read_bytes())
        except ModelRejected as error:
            raise ModelFault(error.reason, str(error)) from error


def load_model(
    folder: Path, *, architecture: str, max_parameters: int, dtype: str, device: torch.device
) -> PreTrainedModel:
    """The model in evaluation mode, every parameter from its files and finite.

    Attention is transformers' choice for the architecture: sdpa, or eager where sdpa cannot
    do it (Gemma 2's soft cap). The config has no say.

    Raises:
        ModelFault: ``architecture``, ``parameters``, ``non_finite``, or ``unloadable``: a
            tensor is missing, unknown or of another shape.
    """
    # The stubs forget that output_loading_info makes it a pair.
    loaded: object = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=DTYPES[dtype],
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    model, report = cast("tuple[PreTrainedModel, Mapping[str, Iterable[object]]]", loaded)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if names := sorted(map(str, report.get(kind, ()))):
            what = kind.replace("_", " ")
            raise ModelFault(Reason.UNLOADABLE, f"{what}: {', '.join(names[:3])} ({len(names)})")
    if type(model).__name__ != architecture:
        raise ModelFault(
            Reason.ARCHITECTURE, f"loads as {type(model).__name__}, declared {architecture}"
        )
    if (count := model.num_parameters()) > max_parameters:
        raise ModelFault(Reason.PARAMETERS, f"{count} parameters, at most {max_parameters}")
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise ModelFault(Reason.NON_FINITE, f"{name} holds NaN or infinity")
    model.config.use_cache = False
    model.requires_grad_(False)
    model.train(mode=False)  # dropout off
    module: nn.Module = model  # transformers' wrapper of to() has lost its types
    module.to(device)
    return model


def vocabulary(model: PreTrainedModel) -> int:
    """Rows of the model's embedding."""
    embedding = model.get_input_embeddings()
    if not isinstance(embedding, nn.Embedding):
        raise ModelFault(Reason.ARCHITECTURE, "the model's input is no table of tokens")
    return embedding.num_embeddings


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """A tokenizer from a folder, without running code from it."""
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def own_template(folder: Path) -> str | None:
    """The chat template that a model brings, as text."""
    file = folder / "chat_template.jinja"
    if file.exists():
        return file.read_text()
    settings = folder / "tokenizer_config.json"
    value = json.loads(settings.read_bytes()).get("chat_template") if settings.exists() else None
    if isinstance(value, list):  # several, by name
        value = {entry["name"]: entry["template"] for entry in value}.get("default")
    return value if isinstance(value, str) else None

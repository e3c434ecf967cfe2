"""The trained model: loaded, wrapped for low rank, and written in the form that validators read."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import Linear
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from sn37.adapters.admission.files import CONFIG
from sn37.adapters.scoring.model import loading
from sn37.domain.training import Lora, Precision
from sn37.durable import rename_whole

# Files besides weights and config that make a folder a complete model.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "generation_config.json",
)
MAX_SHARD = "5GB"


def load_base(folder: Path, precision: Precision, device: torch.device) -> PreTrainedModel:
    """Return the model to start from, in the precision in which its weights are trained.

    Raises:
        ModelFault: ``bad_config``.
    """
    loading.check_configs(folder)
    # For reading and writing files; training has its own progress bar.
    disable_progress_bar()  # type: ignore[no-untyped-call]
    dtype = torch.bfloat16 if precision is Precision.BFLOAT16 else torch.float32
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        folder,
        config=loading.opened_config(folder),
        dtype=dtype,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
    )
    module: nn.Module = model  # transformers' wrapper of to() has no types
    module.to(device)
    return model


def add_lora(model: PreTrainedModel, lora: Lora) -> nn.Module:
    """Return ``model`` with adapters; only their weights are trained, in float32."""
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        # peft 0.21 calls a name of transformers 5.23 that version 6 will not have.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        wrapped = get_peft_model(model, config)
    for parameter in trained_parameters(wrapped).values():
        parameter.data = parameter.data.float()
    module: nn.Module = wrapped
    return module


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that have a gradient, by name; tied ones once."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def save_merged(model: PreTrainedModel, base: Path, folder: Path, dtype: torch.dtype) -> None:
    """Write ``model`` to ``folder``, with merged adapters and the tokenizer of ``base``.

    The folder is complete as soon as it exists. Weights are merged in float32, rounded once and
    not merged in place: adding and subtracting would change the trained weights.
    """
    scratch = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    state = {name: tensor.to("cpu", dtype) for name, tensor in _merged(model)}
    kept = {n: t for n, t in state.items() if n not in model.all_tied_weights_keys}
    model.save_pretrained(scratch, state_dict=kept, max_shard_size=MAX_SHARD)
    _say_dtype(scratch / CONFIG, dtype)
    for name in TOKENIZER_FILES:
        if (base / name).exists():
            shutil.copyfile(base / name, scratch / name)
    shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed
    rename_whole(scratch, folder)


def _merged(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor of the model with its name without adapters."""
    deltas = {}
    for name, module in model.named_modules():
        if isinstance(module, Linear):
            (adapter,) = module.active_adapters
            deltas[f"{name}.base_layer.weight"] = (module, adapter)
    for name, tensor in model.state_dict().items():
        if ".lora_" in name:
            continue
        if name in deltas:
            layer, adapter = deltas[name]
            delta: Tensor = layer.get_delta_weight(adapter)
            tensor = tensor.float() + delta.float()
        yield name.replace(".base_layer.", "."), tensor


def _say_dtype(config: Path, dtype: torch.dtype) -> None:
    # transformers writes the dtype of the weights in training.
    values = json.loads(config.read_bytes())
    values["dtype"] = str(dtype).removeprefix("torch.")
    config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")

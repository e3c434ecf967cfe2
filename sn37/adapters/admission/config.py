"""config.json of a submission: parsed and bounded before anything is built from it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from sn37.adapters.admission.strict_json import StrictJsonError, keys_of, parse_object
from sn37.domain.canonical import JsonValue
from sn37.domain.models import ModelConstraints
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected

# Keys by which a repository asks for code, for another loader or for hidden size. Transformers
# honours the underscored attention key even against an explicit argument.
_FORBIDDEN = frozenset(
    {
        "auto_map",
        "trust_remote_code",
        "custom_pipelines",
        "quantization_config",
        "compression_config",
        "attn_implementation",
        "_attn_implementation",
        "_attn_implementation_internal",
        "experts_implementation",
        "_experts_implementation",
        "transformers_weights",
        "peft_config",
    }
)
# Keys that every family obeys and whose other values let a model read the text that it is to
# predict. What is not named here but has the effect, the worker finds by trying.
_CAUSAL = {"is_causal": (True,), "use_bidirectional_attention": (False, None)}
# Largest value of each size at any depth, well above every published model of 15 GiB. Nothing
# is built before this: a layer costs a millisecond even without memory, an expert or label too.
_SIZES = {
    "vocab_size": 1 << 20,
    "hidden_size": 1 << 16,
    "intermediate_size": 1 << 18,
    "num_hidden_layers": 512,
    "num_attention_heads": 1024,
    "num_key_value_heads": 1024,
    "head_dim": 4096,
    "max_position_embeddings": 1 << 24,
    "sliding_window": 1 << 24,
    "num_labels": 4096,
    # mixtures of experts
    "num_experts": 1024,
    "num_local_experts": 1024,
    "n_routed_experts": 1024,
    # other families' names of the same things
    "d_model": 1 << 16,
    "decoder_attention_heads": 1024,
    "decoder_ffn_dim": 1 << 18,
    "decoder_layers": 512,
    "encoder_attention_heads": 1024,
    "encoder_ffn_dim": 1 << 18,
    "encoder_layers": 512,
    "ffn_hidden_size": 1 << 18,
    "num_hidden_groups": 512,
    "num_kv_heads": 1024,
    "n_embd": 1 << 16,
    "n_layer": 512,
    "n_head": 1024,
    "n_positions": 1 << 24,
}
_MAX_NUMBER = 1e12  # anywhere in config.json: rope factors, token ids, epsilons

# Where config.json does not say whether input and output embeddings are one tensor,
# transformers takes the default of the architecture: these have them tied.
_TIED_BY_DEFAULT = frozenset(
    {
        "BartForCausalLM",
        "FalconForCausalLM",
        "GPT2LMHeadModel",
        "Gemma2ForCausalLM",
        "GemmaForCausalLM",
    }
)
# Tensors of old checkpoints that transformers leaves aside without a word.
_LEFT_ASIDE = re.compile(
    r"rotary_emb\.inv_freq|attention.bias|attention.masked_bias|(^|\.)(cross)?attn.bias"
    r"|(en|de)coder.version"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedConfig:
    """What later checks need of config.json."""

    architecture: str
    tied: bool  # input and output embeddings are one tensor


def check_config(text: bytes, constraints: ModelConstraints) -> CheckedConfig:
    """What config.json says, once the file is found harmless.

    Raises:
        ModelRejected: ``bad_config``, or ``architecture`` when the competition does not
            allow the one it names.
    """
    config = check_bounds(text)
    match config.get("architectures"):
        case [str(architecture)]:
            pass
        case other:
            raise _bad(f"architectures must name one class, not {ascii(other)[:60]}")
    if architecture not in constraints.architectures:
        allowed = ", ".join(sorted(constraints.architectures))
        raise ModelRejected(
            f"{architecture[:60]!a} is not one of {allowed}", reason=Reason.ARCHITECTURE
        )
    tied = config.get("tie_word_embeddings")
    if tied is None:
        tied = architecture in _TIED_BY_DEFAULT
    if not isinstance(tied, bool):
        raise _bad(f"tie_word_embeddings {ascii(tied)[:40]} is neither true nor false")
    return CheckedConfig(architecture=architecture, tied=tied)


def check_names(config: CheckedConfig, tensors: Collection[str]) -> None:
    """Refuse tensors that would be hashed but never used: a clone could differ in them alone.

    The worker refuses every tensor that transformers reports as unexpected; these are those
    that it does not report.

    Raises:
        ModelRejected: ``unloadable``.
    """
    if config.tied and "lm_head.weight" in tensors:
        raise ModelRejected(
            "lm_head.weight would be ignored: config.json ties it to the input embeddings",
            reason=Reason.UNLOADABLE,
        )
    for name in sorted(tensors):
        if _LEFT_ASIDE.search(name):
            raise ModelRejected(
                f"tensor {name[:80]} would be ignored: remove it", reason=Reason.UNLOADABLE
            )


def check_bounds(text: bytes) -> dict[str, JsonValue]:
    """A config.json that asks for nothing dangerous and nothing absurd.

    Raises:
        ModelRejected: ``bad_config``.
    """
    config = check_json("config.json", text)
    _check_values(config)
    return config


def check_json(name: str, text: bytes) -> dict[str, JsonValue]:
    """A JSON file of the repository that asks for nothing dangerous.

    Raises:
        ModelRejected: ``bad_config``.
    """
    try:
        value = parse_object(text)
    except StrictJsonError as error:
        raise _bad(f"{name}: {error}") from error
    for key in keys_of(value):
        if key in _FORBIDDEN:
            raise _bad(f"{name}: {key} is not accepted")
    return value


def _check_values(value: JsonValue) -> None:
    if isinstance(value, dict):
        for key, child in value.items():
            _check_key(key, child)
            _check_values(child)
    elif isinstance(value, list):
        for child in value:
            _check_values(child)
    elif isinstance(value, int | float) and abs(value) > _MAX_NUMBER:  # 1e999 reads as infinity
        raise _bad(f"number {ascii(value)[:40]} is out of bounds")


def _check_key(key: str, value: JsonValue) -> None:
    if key in _CAUSAL and not any(value is allowed for allowed in _CAUSAL[key]):
        raise _bad(f"{key} {ascii(value)[:40]} lets the model see the tokens that follow")
    largest = _SIZES.get(key)
    if largest is None or value is None:
        return  # null as for "no sliding window"
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= largest:
        raise _bad(f"{key} {ascii(value)[:40]} is not in 1 .. {largest}")


def _bad(message: str) -> ModelRejected:
    return ModelRejected(message, reason=Reason.BAD_CONFIG)

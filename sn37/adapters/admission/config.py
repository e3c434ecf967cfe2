"""config.json of a submission: parsed and bounded before anything is built from it."""

from __future__ import annotations

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


def check_config(text: bytes, constraints: ModelConstraints) -> str:
    """The architecture that config.json names, once the file is found harmless.

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
    return architecture


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

"""Allowed config.json keys by architecture: those that its shape and arithmetic need.

The tables follow the configuration and modelling code of transformers 5.23; tests compare names
and defaults with its classes. ``leftover_keys`` has the keys of published models that change
nothing. A key in neither table is rejected.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sn37.adapters.admission.config_family import FULL, SLIDING, Family, Key, int_of
from sn37.adapters.admission.config_rope import Rope
from sn37.adapters.admission.config_rules import Each, Flag, OneOf, Real, Settings, Whole
from sn37.domain.canonical import JsonValue

# Upper limits, well above every published model of 20 GiB. Building a layer takes a millisecond
# even without memory.
_WIDTH = Whole(1, 1 << 16)
_INNER = Whole(1, 1 << 18)
_LAYERS = Whole(1, 512)
_HEADS = Whole(1, 1024)
_KV_HEADS = Whole(1, 1024, null=True)
_HEAD_DIM = Whole(1, 4096)
# The largest published vocabulary that we know is Gemma 3's, with 262,208 rows. A second opinion
# holds all logits of a sample, and has memory for this many (``scoring.scorer``).
MAX_VOCABULARY = 393_216
_VOCABULARY = Whole(1, MAX_VOCABULARY)
_POSITIONS = Whole(1, 1 << 24)
_WINDOW = Whole(1, 1 << 24, null=True)
_EPSILON = Real(1e-12, 1e-1)
_CAP = Real(1e-2, 1e4, null=True)
_ACTIVATION = OneOf("silu", "gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu")
_TANH_GELU = OneOf("gelu_pytorch_tanh", "gelu")
_LAYER_TYPES = Each(OneOf(FULL, SLIDING), 512, null=True)


def _heads(settings: Settings) -> JsonValue:
    return settings["num_attention_heads"]


def _share(settings: Settings) -> JsonValue:
    return int_of(settings, "hidden_size") // int_of(settings, "num_attention_heads")


def _fourfold(settings: Settings) -> JsonValue:
    return 4 * int_of(settings, "hidden_size")


def _tanh_gelu(_: Settings) -> JsonValue:
    """Gemma: its release said "gelu" but meant this one; transformers reads it so."""
    return "gelu_pytorch_tanh"


def _window_if_used(settings: Settings) -> JsonValue:
    """Qwen: a window counts only if another key switches it on."""
    return settings["sliding_window"] if settings["use_sliding_window"] else None


def _qwen_layers(settings: Settings) -> JsonValue:
    first = int_of(settings, "max_window_layers")
    slides = settings["sliding_window"] is not None
    layers = range(int_of(settings, "num_hidden_layers"))
    return [SLIDING if slides and layer >= first else FULL for layer in layers]


def _alternating(settings: Settings) -> JsonValue:
    layers = range(int_of(settings, "num_hidden_layers"))
    return [FULL if layer % 2 else SLIDING for layer in layers]


def _shape(
    *, vocabulary: int, width: int, layers: int, heads: int, positions: int, tied: bool
) -> dict[str, Key]:
    return {
        "vocab_size": Key(_VOCABULARY, vocabulary),
        "hidden_size": Key(_WIDTH, width),
        "num_hidden_layers": Key(_LAYERS, layers),
        "num_attention_heads": Key(_HEADS, heads),
        "max_position_embeddings": Key(_POSITIONS, positions),
        "tie_word_embeddings": Key(Flag(), tied),
    }


_KV_OR_HEADS = Key(_KV_HEADS, _heads, if_null=_heads)
_NULL_HEAD_DIM = Key(Whole(1, 4096, null=True), _share, if_null=_share)
_LLAMA = Family(
    model_type="llama",
    config_class="LlamaConfig",
    keys=_shape(vocabulary=32000, width=4096, layers=32, heads=32, positions=2048, tied=False)
    | {
        "intermediate_size": Key(_INNER, 11008),
        "num_key_value_heads": _KV_OR_HEADS,
        "head_dim": _NULL_HEAD_DIM,
        "hidden_act": Key(_ACTIVATION, "silu"),
        "rms_norm_eps": Key(_EPSILON, 1e-6),
        "attention_bias": Key(Flag(), False),
        "mlp_bias": Key(Flag(), False),
    },
    rope=Rope(),
)
_MISTRAL = Family(
    model_type="mistral",
    config_class="MistralConfig",
    keys=_shape(vocabulary=32000, width=4096, layers=32, heads=32, positions=131072, tied=False)
    | {
        "intermediate_size": Key(_INNER, 14336),
        "num_key_value_heads": Key(_HEADS, 8),
        "head_dim": _NULL_HEAD_DIM,
        "hidden_act": Key(_ACTIVATION, "silu"),
        "rms_norm_eps": Key(_EPSILON, 1e-6),
        "sliding_window": Key(_WINDOW, 4096),
    },
    rope=Rope(),
)
_GEMMA = Family(
    model_type="gemma",
    config_class="GemmaConfig",
    keys=_shape(vocabulary=256000, width=3072, layers=28, heads=16, positions=8192, tied=True)
    | {
        "intermediate_size": Key(_INNER, 24576),
        "num_key_value_heads": Key(_HEADS, 16),
        "head_dim": Key(_HEAD_DIM, 256),
        "hidden_act": Key(_TANH_GELU, "gelu_pytorch_tanh", becomes=_tanh_gelu),
        "rms_norm_eps": Key(_EPSILON, 1e-6),
        "attention_bias": Key(Flag(), False),
    },
    rope=Rope(),
)
_GEMMA2 = Family(
    model_type="gemma2",
    config_class="Gemma2Config",
    keys=_shape(vocabulary=256000, width=2304, layers=26, heads=8, positions=8192, tied=True)
    | {
        "intermediate_size": Key(_INNER, 9216),
        "num_key_value_heads": Key(_HEADS, 4),
        "head_dim": Key(_HEAD_DIM, 256),
        "hidden_activation": Key(OneOf("gelu_pytorch_tanh"), "gelu_pytorch_tanh"),
        "rms_norm_eps": Key(_EPSILON, 1e-6),
        "attention_bias": Key(Flag(), False),
        "query_pre_attn_scalar": Key(Whole(1, 1 << 16), 256),
        "sliding_window": Key(_WINDOW, 4096),
        "layer_types": Key(_LAYER_TYPES, _alternating, if_null=_alternating),
        "final_logit_softcapping": Key(_CAP, 30.0),
        "attn_logit_softcapping": Key(_CAP, 50.0),
    },
    rope=Rope(),
)
_PHI = Family(
    model_type="phi",
    config_class="PhiConfig",
    keys=_shape(vocabulary=51200, width=2048, layers=24, heads=32, positions=2048, tied=False)
    | {
        "intermediate_size": Key(_INNER, 8192),
        "num_key_value_heads": _KV_OR_HEADS,
        "hidden_act": Key(_ACTIVATION, "gelu_new"),
        "layer_norm_eps": Key(_EPSILON, 1e-5),
        "qk_layernorm": Key(Flag(), False),
    },
    rope=Rope(share=0.5, share_key="partial_rotary_factor"),
    echoes={"head_dim": _share},
)
_PHI3 = Family(
    model_type="phi3",
    config_class="Phi3Config",
    keys=_shape(vocabulary=32064, width=3072, layers=32, heads=32, positions=4096, tied=False)
    | {
        "intermediate_size": Key(_INNER, 8192),
        "num_key_value_heads": _KV_OR_HEADS,
        "hidden_act": Key(_ACTIVATION, "silu"),
        "rms_norm_eps": Key(_EPSILON, 1e-5),
        "sliding_window": Key(_WINDOW, None),
        "original_max_position_embeddings": Key(_POSITIONS, 4096),
    },
    rope=Rope(
        share=1.0,
        share_key="partial_rotary_factor",
        kinds=("default", "longrope"),
        old_kinds={"su": "longrope"},  # as the first release called it
        original_key="original_max_position_embeddings",
    ),
    echoes={"head_dim": _share},
)


def _qwen(*, config_class: str, model_type: str, more: dict[str, Key], echo: bool) -> Family:
    return Family(
        model_type=model_type,
        config_class=config_class,
        keys=_shape(vocabulary=151936, width=4096, layers=32, heads=32, positions=32768, tied=False)
        | {
            "intermediate_size": Key(_INNER, 22016),
            "num_key_value_heads": Key(_KV_HEADS, 32, if_null=_heads),
            "hidden_act": Key(_ACTIVATION, "silu"),
            "rms_norm_eps": Key(_EPSILON, 1e-6),
            "use_sliding_window": Key(Flag(), False),
            "sliding_window": Key(_WINDOW, 4096, becomes=_window_if_used),
            "max_window_layers": Key(Whole(0, 512), 28),
            "layer_types": Key(_LAYER_TYPES, _qwen_layers, if_null=_qwen_layers),
        }
        | more,
        rope=Rope(),
        echoes={"head_dim": _share} if echo else {},
    )


_QWEN2 = _qwen(config_class="Qwen2Config", model_type="qwen2", more={}, echo=True)
_QWEN3 = _qwen(
    config_class="Qwen3Config",
    model_type="qwen3",
    more={"head_dim": Key(_HEAD_DIM, 128), "attention_bias": Key(Flag(), False)},
    echo=False,
)
_FALCON = Family(
    model_type="falcon",
    config_class="FalconConfig",
    keys=_shape(vocabulary=65024, width=4544, layers=32, heads=71, positions=2048, tied=True)
    | {
        "num_kv_heads": _KV_OR_HEADS,
        "ffn_hidden_size": Key(Whole(1, 1 << 18, null=True), _fourfold, if_null=_fourfold),
        "activation": Key(_ACTIVATION, "gelu"),
        "layer_norm_epsilon": Key(_EPSILON, 1e-5),
        "alibi": Key(Flag(), False),
        "bias": Key(Flag(), False),
        "multi_query": Key(Flag(), True),
        "new_decoder_architecture": Key(Flag(), False),
        "parallel_attn": Key(Flag(), True),
        "num_ln_in_parallel_attn": Key(OneOf(None, 1, 2), None),
    },
    rope=Rope(),
)
_GPT_NEOX = Family(
    model_type="gpt_neox",
    config_class="GPTNeoXConfig",
    keys=_shape(vocabulary=50432, width=6144, layers=44, heads=64, positions=2048, tied=False)
    | {
        "intermediate_size": Key(_INNER, 24576),
        "hidden_act": Key(_ACTIVATION, "gelu"),
        "layer_norm_eps": Key(_EPSILON, 1e-5),
        "attention_bias": Key(Flag(), True),
        "use_parallel_residual": Key(Flag(), True),
    },
    rope=Rope(share=0.25, theta_key="rotary_emb_base", share_key="rotary_pct"),
    echoes={"head_dim": _share},
)
_BART = Family(
    model_type="bart",
    config_class="BartConfig",
    keys={
        "vocab_size": Key(_VOCABULARY, 50265),
        "max_position_embeddings": Key(_POSITIONS, 1024),
        "tie_word_embeddings": Key(Flag(), True),
        "d_model": Key(_WIDTH, 1024),
        "encoder_layers": Key(_LAYERS, 12),
        "encoder_ffn_dim": Key(_INNER, 4096),
        "encoder_attention_heads": Key(_HEADS, 16),
        "decoder_layers": Key(_LAYERS, 12),
        "decoder_ffn_dim": Key(_INNER, 4096),
        "decoder_attention_heads": Key(_HEADS, 16),
        "activation_function": Key(_ACTIVATION, "gelu"),
        "scale_embedding": Key(Flag(), False),
    },
    echoes={
        "hidden_size": lambda settings: settings["d_model"],
        "num_hidden_layers": lambda settings: settings["encoder_layers"],
        "num_attention_heads": lambda settings: settings["encoder_attention_heads"],
    },
)

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "BartForCausalLM": _BART,
        "FalconForCausalLM": _FALCON,
        "GPTNeoXForCausalLM": _GPT_NEOX,
        "Gemma2ForCausalLM": _GEMMA2,
        "GemmaForCausalLM": _GEMMA,
        "LlamaForCausalLM": _LLAMA,
        "MistralForCausalLM": _MISTRAL,
        "Phi3ForCausalLM": _PHI3,
        "PhiForCausalLM": _PHI,
        "Qwen2ForCausalLM": _QWEN2,
        "Qwen3ForCausalLM": _QWEN3,
    }
)

"""Keys of config.json that change no loss: published models have them, and they are not read.

Collected from the configurations of Llama 1 to 3.2, TinyLlama, SmolLM, Mistral, Nemo, Phi 1.5 to
3.5, Gemma, Gemma 2, Falcon, Pythia, Dolly, Bart, Qwen 2 to 3, and from what ``save_pretrained`` of
transformers 4 and 5 writes. Their values are checked just enough that no other reading of the
key gives another model; none of them reaches transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sn37.adapters.admission.config_rules import (
    Anything,
    Each,
    Either,
    Flag,
    OneOf,
    Real,
    Rule,
    Text,
    Whole,
)

_ANYTHING = Anything()
_RATE = Real(0.0, 1.0, null=True, whole=True)
_TOKEN = Whole(-1, 1 << 20, null=True)
_TOKENS = Either(_TOKEN, Each(_TOKEN, 64))
_NAME = Text(512)
_DTYPES = ("float32", "float16", "bfloat16")
_DTYPE = OneOf(None, *_DTYPES, *(f"torch.{name}" for name in _DTYPES))

# Origin of the file, and the program that wrote it.
_ORIGIN: Mapping[str, Rule] = {
    **dict.fromkeys(
        ("_name_or_path", "name_or_path", "_model_name_or_path", "_commit_hash"), _NAME
    ),
    **dict.fromkeys(("transformers_version", "unsloth_version"), _NAME),
    **dict.fromkeys(("unsloth_fixed", "is_llama_config", "_attn_implementation_autoset"), Flag()),
    "_flash_attn_2_enabled": Flag(),
    **dict.fromkeys(("dtype", "torch_dtype"), _DTYPE),
    "tokenizer_class": _NAME,
}
# Training: dropout is off when a model is scored, and weights are read from the file.
_TRAINING: Mapping[str, Rule] = {
    **dict.fromkeys(
        (
            "activation_dropout",
            "attention_dropout",
            "attention_probs_dropout_prob",
            "attn_pdrop",
            "classif_dropout",
            "classifier_dropout",
            "decoder_layerdrop",
            "dropout",
            "embd_pdrop",
            "encoder_layerdrop",
            "hidden_dropout",
            "hidden_dropout_prob",
            "resid_pdrop",
        ),
        _RATE,
    ),
    **dict.fromkeys(("initializer_range", "init_std"), Real(0.0, 1e2, whole=True)),
    "neftune_noise_alpha": Real(0.0, 1e4, null=True, whole=True),
    "gradient_checkpointing": Flag(),
    "pretraining_tp": Whole(1, 64),  # number of slices of products; their sum is the same
}
# Generation, classification and the shape of outputs.
_USES: Mapping[str, Rule] = {
    **dict.fromkeys(("use_cache", "return_dict", "is_decoder", "is_encoder_decoder"), Flag()),
    **dict.fromkeys(("output_attentions", "output_hidden_states"), Flag()),
    **dict.fromkeys(
        (
            "bos_token_id",
            "decoder_start_token_id",
            "eos_token_id",
            "forced_bos_token_id",
            "forced_eos_token_id",
            "pad_token_id",
            "sep_token_id",
            "unk_token_id",
        ),
        _TOKENS,
    ),
    **dict.fromkeys(("id2label", "label2id", "task_specific_params"), _ANYTHING),
    "num_labels": Whole(1, 4096),
    "problem_type": _NAME,
    "chunk_size_feed_forward": OneOf(0),
    **dict.fromkeys(
        (
            "cache_implementation",
            "do_sample",
            "early_stopping",
            "length_penalty",
            "max_length",
            "max_sequence_length",
            "min_length",
            "no_repeat_ngram_size",
            "num_beams",
            "repetition_penalty",
            "temperature",
            "top_k",
            "top_p",
        ),
        _ANYTHING,
    ),
}
LEFTOVERS: Mapping[str, Rule] = MappingProxyType({**_ORIGIN, **_TRAINING, **_USES})

# Switches of other architectures, or of code that transformers does not have. They are allowed if
# they are off, because then every reader builds the same model.
OFF: Mapping[str, Rule] = MappingProxyType(
    {
        "add_bias_logits": OneOf(False),
        "add_cross_attention": OneOf(False),
        "add_final_layer_norm": OneOf(False),
        "alibi": OneOf(False),
        "apply_residual_connection_post_layernorm": OneOf(False),
        "attention_bias": OneOf(False),
        "attn_logit_softcapping": OneOf(None),
        "final_logit_softcapping": OneOf(None),
        "is_causal": OneOf(True),
        "lm_head_bias": OneOf(False),
        "mlp_bias": OneOf(False),
        "normalize_before": OneOf(False),
        "normalize_embedding": OneOf(True),
        "qk_layernorm": OneOf(False),
        "rope_interleaved": OneOf(False),
        "rope_scaling": OneOf(None),
        "sliding_window": OneOf(None),
        "tie_encoder_decoder": OneOf(False),
        "use_bidirectional_attention": OneOf(False, None),
        "use_mrope": OneOf(False),
        "use_sliding_window": OneOf(False),
    }
)
# Leftover keys in published models of single architectures.
OWN: Mapping[str, Mapping[str, Rule]] = MappingProxyType(
    {
        "gemma": {"hidden_activation": OneOf(None, "gelu_pytorch_tanh")},
        "gemma2": {
            "hidden_act": OneOf("gelu_pytorch_tanh"),
            "sliding_window_size": Whole(1, 1 << 24, null=True),
        },
        "phi3": {"full_attn_mod": OneOf(1), "interpolate_factor": OneOf(1)},
    }
)

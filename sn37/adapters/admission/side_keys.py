"""Allowed keys of the other JSON files: generation settings and those of the tokenizer.

generation_config.json changes no loss, since it is never read. Others download it too, so it
must not ask for code. The tokenizer itself is tokenizer.json; these files name its special
tokens, its class and its chat template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sn37.adapters.admission.config_rules import (
    Anything,
    Each,
    Either,
    Flag,
    OneOf,
    Real,
    Record,
    Rule,
    Text,
    Whole,
    shown,
)
from sn37.domain.canonical import JsonValue

_MAX_ID = 1 << 20  # as vocab_size of config.json
_MAX_TOKENS = 1 << 17  # in one list
_CLASS = re.compile(r"[A-Z][A-Za-z0-9]{0,63}(Tokenizer|TokenizerFast|Backend)")
_TOKEN_TEXT = 1024


@dataclass(frozen=True, slots=True)
class _Plain:
    """Numbers, flags and text, alone or in lists of lists."""

    depth: int = 2

    def problem(self, value: JsonValue) -> str | None:
        if value is None or isinstance(value, bool):
            return None
        if isinstance(value, str):
            return Text(512).problem(value)
        if isinstance(value, int | float):
            return Real(-1e12, 1e12, whole=True).problem(value)
        if isinstance(value, list) and self.depth:
            return Each(_Plain(self.depth - 1), 4096).problem(value)
        return "is neither a number nor text nor a list of them"


@dataclass(frozen=True, slots=True)
class _TokenizerClass:
    """The name of a tokenizer class of transformers."""

    def problem(self, value: JsonValue) -> str | None:
        if value is None or (isinstance(value, str) and _CLASS.fullmatch(value)):
            return None
        return "is not the name of a tokenizer class of transformers"


@dataclass(frozen=True, slots=True)
class _ByName:
    """An object whose values obey ``rule``, under any names."""

    rule: Rule

    def problem(self, value: JsonValue) -> str | None:
        if not isinstance(value, dict):
            return "is not an object"
        for name, item in value.items():
            if (why := self.rule.problem(item)) is not None:
                return f"has {shown(name)} {shown(item)}, which {why}"
        return None


@dataclass(frozen=True, slots=True)
class _ById:
    """An object that maps token ids, written as text, to tokens."""

    rule: Rule

    def problem(self, value: JsonValue) -> str | None:
        if not isinstance(value, dict):
            return "is not an object"
        for name, item in value.items():
            if not name.isascii() or not name.isdigit() or len(name) > 7 or int(name) >= _MAX_ID:
                return f"has a token id {shown(name)} that is not in 0 .. {_MAX_ID - 1}"
            if (why := self.rule.problem(item)) is not None:
                return f"has token {name}, which {why}"
        return None


def _names(text: str) -> list[str]:
    return text.split()


_ADDED_TOKEN = Record(
    {
        "__type": Text(64),
        "content": Text(_TOKEN_TEXT, null=False),
        **dict.fromkeys(("lstrip", "rstrip", "normalized", "single_word", "special"), Flag()),
    }
)
_TOKEN = Either(Text(_TOKEN_TEXT), _ADDED_TOKEN)
_TOKENS = Either(Each(_TOKEN, _MAX_TOKENS, null=True), _ByName(_TOKEN))
_SPECIAL: Mapping[str, Rule] = {
    **dict.fromkeys(
        (
            "bos_token",
            "cls_token",
            "eos_token",
            "eot_token",
            "fill_token",
            "mask_token",
            "middle_token",
            "pad_token",
            "prefix_token",
            "sep_token",
            "suffix_token",
            "unk_token",
        ),
        _TOKEN,
    ),
    "additional_special_tokens": _TOKENS,
    "extra_special_tokens": _TOKENS,
}
_FLAG = OneOf(None, True, False)
_TOKENIZER: Mapping[str, Rule] = {
    **_SPECIAL,
    "added_tokens_decoder": _ById(_ADDED_TOKEN),
    "model_specific_special_tokens": _ByName(_TOKEN),
    **dict.fromkeys(
        (
            "add_bos_token",
            "add_eos_token",
            "add_prefix_space",
            "clean_up_tokenization_spaces",
            "do_lower_case",
            "is_local",
            "legacy",
            "local_files_only",
            "return_token_type_ids",
            "spaces_between_special_tokens",
            "split_special_tokens",
            "suffix_first",
            "trim_offsets",
            "use_default_system_prompt",
            "use_fast",
        ),
        _FLAG,
    ),
    **dict.fromkeys(
        (
            "backend",
            "errors",
            "name_or_path",
            "padding_side",
            "processor_class",
            "special_tokens_map_file",  # a path on the machine that saved it; never opened
            "transformers_version",
            "truncation_side",
            "truncation_strategy",
        ),
        Text(512),
    ),
    **dict.fromkeys(("tokenizer_file", "vocab_file", "merges_file"), OneOf(None)),
    "chat_template": Anything(),  # checked when it is rendered
    "init_inputs": Each(_Plain(0), 0),
    "max_length": _Plain(0),
    "model_input_names": Each(Text(64), 16, null=True),
    "model_max_length": Real(1, 1e31, null=True, whole=True),
    "pad_to_multiple_of": _Plain(0),
    "pad_token_type_id": _Plain(0),
    "padding": _Plain(0),
    "sp_model_kwargs": OneOf(None, {}),  # sentencepiece could use them for sampling
    "stride": _Plain(0),
    "tokenizer_class": _TokenizerClass(),
    "truncation": _Plain(0),
    "vocab_size": _Plain(0),
}
# The parameters of transformers' GenerationConfig, and of two families' own.
_GENERATION: Mapping[str, Rule] = {
    **dict.fromkeys(
        _names(
            """
            _from_model_config assistant_confidence_threshold assistant_early_exit
            assistant_ensemble_weight assistant_lookbehind bad_words_ids begin_suppress_tokens
            bos_token_id cache_implementation chat_format decoder_start_token_id disable_compile
            diversity_penalty do_sample dola_layers early_stopping encoder_no_repeat_ngram_size
            encoder_repetition_penalty eos_token_id epsilon_cutoff eta_cutoff
            exponential_decay_length_penalty force_words_ids forced_bos_token_id
            forced_eos_token_id guidance_scale is_assistant length_penalty low_memory max_cache_len
            max_length max_matching_ngram_size max_new_tokens max_time max_window_size min_length
            min_new_tokens min_p no_repeat_ngram_size num_assistant_tokens
            num_assistant_tokens_schedule num_beam_groups num_beams num_return_sequences
            output_attentions output_hidden_states output_logits output_scores pad_token_id
            penalty_alpha prefill_chunk_size prompt_lookup_num_tokens remove_invalid_values
            renormalize_logits repetition_penalty return_dict_in_generate sequence_bias
            speculation_type stop_strings suppress_tokens target_lookbehind temperature
            token_healing top_h top_k top_p transformers_version typical_p use_cache use_mtp
            """
        ),
        _Plain(),
    ),
    **dict.fromkeys(
        _names(
            """
            cache_config compile_config constraints continuous_batching_config generation_kwargs
            watermarking_config
            """
        ),
        OneOf(None, {}),
    ),
}

SIDE_FILES: Mapping[str, Rule] = MappingProxyType(
    {
        "generation_config.json": Record(_GENERATION),
        "tokenizer_config.json": Record(_TOKENIZER),
        "special_tokens_map.json": Record(_SPECIAL),
        "added_tokens.json": _ByName(Whole(0, _MAX_ID - 1)),
    }
)

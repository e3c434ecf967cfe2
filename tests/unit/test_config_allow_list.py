"""config.json and the JSON beside it: what published models say is admitted, nothing else is."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace

import pytest

from sn37.adapters.admission.config import check_config, check_json
from sn37.adapters.admission.config_keys import FAMILIES
from sn37.adapters.admission.config_rules import Settings
from sn37.app.schedule.load import PRESETS, load_schedule
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected
from tests.support.config_checks import FACTORS, LIMITS, LLAMA, check, of, refusal
from tests.support.published_configs import PUBLISHED


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_published_models_say_is_admitted(name: str) -> None:
    checked = check(PUBLISHED[name])
    given = PUBLISHED[name]
    for key in FAMILIES[checked.architecture].keys.keys() & given.keys() - {"sliding_window"}:
        if given[key] is not None and key != "hidden_act":
            assert checked.settings[key] == given[key]


def test_every_architecture_that_a_preset_allows_has_a_table() -> None:
    for preset in PRESETS:
        schedule = load_schedule(preset).schedule
        for competition in (c for stage in schedule.stages for c in stage.competitions):
            assert competition.constraints.architectures <= FAMILIES.keys()


def test_an_architecture_without_a_table_is_refused_as_one() -> None:
    limits = replace(LIMITS, architectures=frozenset({"MambaForCausalLM"}))
    text = json.dumps({"architectures": ["MambaForCausalLM"], "model_type": "mamba"}).encode()
    with pytest.raises(ModelRejected, match="can score") as caught:
        check_config(text, limits)
    assert caught.value.reason is Reason.ARCHITECTURE


def test_a_file_without_a_model_type_is_told_which_it_is() -> None:
    assert 'write "llama"' in refusal({"architectures": ["LlamaForCausalLM"]})


@pytest.mark.parametrize("kind", ["mistral", "Llama", "llama ", 1, ["llama"]])
def test_t47_a_model_type_of_another_class_is_another_architecture(kind: object) -> None:
    with pytest.raises(ModelRejected) as caught:
        check(LLAMA | {"model_type": kind})
    assert caught.value.reason is Reason.ARCHITECTURE


# Each sets something that no table names, under a name of its own.
HIDDEN: dict[str, dict[str, object]] = {
    "an alias for the kernel": {
        "attribute_map": {"zz": "_attn_implementation_internal"},
        "zz": "eager",
    },
    "an empty attribute map": {"attribute_map": {}},
    "an alias for a size": {"attribute_map": {"depth": "num_hidden_layers"}, "depth": 10**9},
    "the kernel itself": {"_attn_implementation_internal": "eager"},
    "experts": {"_experts_implementation": "eager"},
    "an internal flag": {"_post_init_done": True},
    "rope labels": {"_rope_type_labels": ["full_attention"]},
    "validation switched off": {"ignore_keys_at_rope_validation": ["factor"]},
    "layers of their own": {"per_layer_config": {"0": {"head_dim": 2}}},
    "another config inside": {"text_config": {"model_type": "llama", "is_causal": False}},
    "a decoder inside": {"decoder": {"hidden_size": 8}},
    "sub-configs": {"sub_configs": {}},
    "kinds of layers": {"layer_types": ["sliding_attention", "full_attention"]},
    "a window": {"sliding_window": 64},
    "a chunk": {"attention_chunk_size": 8},
    "a cap on logits": {"final_logit_softcapping": 30.0},
    "a cap on scores": {"attn_logit_softcapping": 50.0},
    "looking ahead": {"is_causal": False},
    "looking both ways": {"use_bidirectional_attention": True},
    "the length before scaling, beside": {"original_max_position_embeddings": 64},
    "a share of a head": {"partial_rotary_factor": 0.5},
    "a scale of logits": {"logit_scale": 0.5},
    "a scale of embeddings": {"embedding_multiplier": 12.0},
    "Bart's name of the width": {"d_model": 8},
    "GPT-2's name of the width": {"n_embd": 8},
    "Falcon's old name of the width": {"n_embed": 8},
    "other capitals": {"Hidden_Size": 8},
    "a Cyrillic letter": {"hidden_\u0455ize": 8},
    "a full-width letter": {"\uff48idden_size": 8},
    "a blank": {"hidden_size ": 8},
    "a zero-width blank": {"hidden_size\u200b": 8},
    "no name": {"": 8},
    "a special attribute": {"__class__": "x"},
    "a method": {"get_text_config": {}},
    "a plan": {"base_model_tp_plan": {}},
    "a slow loader": {"fusion_config": {"x": 1}},
    "distribution": {"distributed_config": {}},
    "quantised weights": {"quantization_config": {"bits": 4}},
    "code": {"auto_map": {"AutoModelForCausalLM": "m.M"}},
}


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPTNeoXForCausalLM"])
def test_t47_a_key_that_no_table_names_is_refused(name: str, architecture: str) -> None:
    refused = refusal(of(architecture, **HIDDEN[name]))
    assert any(ascii(key)[1:-1] in refused for key in HIDDEN[name])


def test_t47_the_refusal_says_which_key_was_probably_meant() -> None:
    assert "write hidden_size" in refusal(LLAMA | {"Hidden-Size": 8})
    assert "internal" in refusal(LLAMA | {"_moe": 1})
    assert "remove it" in refusal(LLAMA | {"attribute_map": {}})


def test_t47_an_alias_may_repeat_what_it_stands_for_and_nothing_else() -> None:
    bart = of("BartForCausalLM", d_model=64, decoder_attention_heads=4, encoder_layers=2)
    check(bart | {"hidden_size": 64, "num_hidden_layers": 2})
    assert "contradicts" in refusal(bart | {"hidden_size": 128})
    assert "contradicts" in refusal(bart | {"num_hidden_layers": 10**9})
    assert "contradicts" in refusal(bart | {"num_hidden_layers": True, "encoder_layers": 1})
    check(of("Qwen2ForCausalLM", hidden_size=64, num_attention_heads=32, head_dim=2))
    for family in ("Qwen2ForCausalLM", "PhiForCausalLM", "Phi3ForCausalLM", "GPTNeoXForCausalLM"):
        assert "contradicts" in refusal(of(family, head_dim=8))


def test_t47_all_keys_that_are_not_known_are_named_at_once() -> None:
    told = refusal(of("LlamaForCausalLM", first_odd=1, hidden_size=64, second_odd=2))
    assert told.startswith("config.json: 'first_odd' is not a key that llama models need")
    assert told.endswith("; also not needed: 'second_odd'")
    many = refusal(of("LlamaForCausalLM", **{f"odd_{number}": 1 for number in range(5000)}))
    assert many.endswith("'odd_8' and 4991 more")
    assert len(many) < 400


def test_t47_a_key_twice_is_refused_at_any_depth() -> None:
    for text in (
        '"hidden_size": 64, "hidden_size": 128',
        '"rope_scaling": {"type": "linear", "factor": 2.0, "factor": 4.0}',
        '"hidden_size": 64, "hidden\\u005fsize": 128',
    ):
        kind = '"architectures": ["LlamaForCausalLM"], "model_type": "llama"'
        assert "twice" in refusal(f"{{{kind}, {text}}}".encode())


def test_t47_what_the_class_would_take_by_default_is_within_the_bounds() -> None:
    for architecture in FAMILIES:
        checked = check(of(architecture))
        family = FAMILIES[architecture]
        for name, key in family.keys.items():
            assert key.rule.problem(checked.settings[name]) is None, (architecture, name)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": True},
        {"hidden_size": 64.0},
        {"hidden_size": "64"},
        {"hidden_size": None},
        {"hidden_size": -64},
        {"num_hidden_layers": 513},
        {"vocab_size": 10**400},
        {"rms_norm_eps": 1},
        {"rms_norm_eps": 0.0},
        {"rms_norm_eps": False},
        {"attention_bias": 0},
        {"tie_word_embeddings": None},
        {"hidden_act": "prelu"},
        {"hidden_act": ["silu"]},
        {"hidden_act": {"silu": 1}},
        {"num_attention_heads": 3},
        {"num_key_value_heads": 5},
        {"num_key_value_heads": 64},
        {"head_dim": 127},
        {"pad_token_id": 32000},
        {"pad_token_id": -2},
        {"eos_token_id": [1, [2]]},
        {"torch_dtype": "float8"},
        {"initializer_range": True},
        {"num_labels": 10**9},
        {"rope_interleaved": True},
    ],
)
def test_t47_a_value_of_another_type_or_beyond_its_bounds_is_refused(
    changes: dict[str, object],
) -> None:
    said = refusal(LLAMA | changes)
    assert any(words in said for words in (*changes, "out of bounds", "of a head of 127"))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9e12"])
def test_t47_a_number_that_is_not_finite_or_too_large_is_refused_wherever_it_stands(
    number: str,
) -> None:
    kind = '"architectures": ["LlamaForCausalLM"], "model_type": "llama"'
    for text in (
        f'"rms_norm_eps": {number}',
        f'"rope_theta": {number}',
        f'"rope_parameters": {{"rope_type": "linear", "factor": {number}}}',
        f'"id2label": {{"0": [{number}]}}',
        f'"initializer_range": {number}',
    ):
        said = refusal(f"{{{kind}, {text}}}".encode())
        assert said.endswith(
            (f": {number} is not JSON", f"number {float(number)} is out of bounds")
        )


def rope(changes: Mapping[str, object], architecture: str = "LlamaForCausalLM") -> Settings:
    found = check(of(architecture, **changes)).settings["rope_parameters"]
    assert isinstance(found, dict)
    return found


def test_old_spellings_of_frequencies_mean_what_they_meant() -> None:
    linear: Settings = {"rope_type": "linear", "rope_theta": 5e5, "factor": 2.0}
    for name in ("rope_parameters", "rope_scaling"):
        assert rope({name: linear}) == linear
        assert rope({name: {"type": "linear", "factor": 2.0}, "rope_theta": 5e5}) == linear
        both = {"type": "linear", "rope_type": "linear", "factor": 2.0}
        assert rope({name: both, "rope_theta": 5e5}) == linear
    assert rope({"rope_parameters": linear, "rope_scaling": linear}) == linear
    assert rope({"rope_scaling": None}) == {"rope_type": "default", "rope_theta": 10000.0}
    assert rope({"rotary_emb_base": 20000, "rotary_pct": 0.5}, "GPTNeoXForCausalLM") == {
        "rope_type": "default",
        "rope_theta": 20000,
        "partial_rotary_factor": 0.5,
    }
    assert rope({"partial_rotary_factor": 0.4, "hidden_size": 2560}, "PhiForCausalLM")[
        "partial_rotary_factor"
    ] == pytest.approx(0.4)


def test_su_of_phi_3_means_longrope() -> None:
    su = rope({"rope_scaling": {"type": "su", **FACTORS}}, "Phi3ForCausalLM")
    assert su == rope({"rope_scaling": {"type": "longrope", **FACTORS}}, "Phi3ForCausalLM")
    assert su["rope_type"] == "longrope"
    assert su["original_max_position_embeddings"] == 4096
    refusal(of("LlamaForCausalLM", rope_scaling={"type": "su", **FACTORS}))
    # yarn of the first code and yarn of transformers, which reads it as longrope, differ
    refusal(of("Phi3ForCausalLM", rope_scaling={"type": "yarn", **FACTORS}))


@pytest.mark.parametrize(
    "changes",
    [
        {"rope_scaling": [1]},
        {"rope_scaling": {"type": "dynamo"}},
        {"rope_scaling": {"type": ["linear"], "factor": 2.0}},
        {"rope_scaling": {"type": "linear"}},
        {"rope_scaling": {"type": "linear", "factor": "2"}},
        {"rope_scaling": {"type": "linear", "factor": True}},
        {"rope_scaling": {"type": "linear", "factor": 0.5}},
        {"rope_scaling": {"type": "linear", "rope_type": "dynamic", "factor": 2.0}},
        {"rope_scaling": {"type": "linear", "factor": 2.0, "mscale": 9.0}},
        {"rope_scaling": {"type": "default", "factor": 2.0}},
        {"rope_scaling": {"rope_type": "proportional"}},
        {"rope_scaling": {"rope_type": "axial"}},
        {"rope_scaling": {"rope_type": "default", "mrope_section": [4, 6, 6]}},
        {"rope_scaling": {"full_attention": {"rope_type": "default"}}},
        {"rope_parameters": {"full_attention": {"rope_type": "default"}}},
        {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 1.0}},
        {"rope_parameters": {"rope_type": "default", "rope_theta": None, "attribute_map": {}}},
        {"rope_theta": 1e4, "rope_parameters": {"rope_theta": 2e4}},
        {
            "rope_scaling": {"type": "linear", "factor": 2.0},
            "rope_parameters": {"rope_type": "linear", "factor": 4.0},
        },
        {
            "rope_scaling": {
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 4.0,
                "high_freq_factor": 4.0,
            }
        },
        {"rope_scaling": {"rope_type": "longrope", "short_factor": [1.0], "long_factor": [2.0]}},
        {"rope_scaling": {"rope_type": "longrope", **FACTORS, "long_factor": [0] * 48}},
        {"rotary_emb_base": 10000},
    ],
)
def test_t47_frequencies_are_checked_key_by_key(changes: dict[str, object]) -> None:
    said = refusal(LLAMA | changes)
    inner = [key for value in changes.values() if isinstance(value, dict) for key in value]
    assert any(key in said for key in (*changes, *inner))


def test_two_spellings_that_differ_are_refused() -> None:
    neox = of("GPTNeoXForCausalLM", rotary_emb_base=10000, rotary_pct=0.25)
    check(neox | {"rope_theta": 10000, "partial_rotary_factor": 0.25})
    assert "not applied" in refusal(neox | {"rope_theta": 20000})
    # transformers reads neither of them for GPT-NeoX, whatever is missing
    assert "not applied" in refusal(of("GPTNeoXForCausalLM", rope_theta=20000))
    assert "not applied" in refusal(of("GPTNeoXForCausalLM", partial_rotary_factor=0.5))
    assert "not applied" in refusal(neox | {"partial_rotary_factor": 0.5})
    phi = of("Phi3ForCausalLM", rope_scaling={"type": "su", **FACTORS})
    inside = {"type": "su", "original_max_position_embeddings": 2048, **FACTORS}
    assert "differ" in refusal(phi | {"rope_scaling": inside})


def test_layer_types_fit_the_layers_and_the_window() -> None:
    gemma = of("Gemma2ForCausalLM", num_hidden_layers=2)
    check(gemma | {"layer_types": ["full_attention", "sliding_attention"]})
    assert "names 1 layers" in refusal(gemma | {"layer_types": ["full_attention"]})
    assert "sliding_window is not set" in refusal(gemma | {"sliding_window": None})
    refusal(gemma | {"layer_types": ["chunked_attention", "full_attention"]})
    refusal(gemma | {"layer_types": "full_attention"})
    qwen = of("Qwen2ForCausalLM", num_hidden_layers=2)
    assert check(qwen).settings["layer_types"] == ["full_attention"] * 2
    refusal(qwen | {"layer_types": ["sliding_attention"] * 2})
    slides = qwen | {"use_sliding_window": True, "max_window_layers": 1}
    assert check(slides).settings["layer_types"] == ["full_attention", "sliding_attention"]


# Of the files beside config.json: what would reach further than the text it is.
SIDE: dict[str, tuple[str, object]] = {
    "code for the tokenizer": ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["a.B"]}}),
    "a class that is no tokenizer": ("tokenizer_config.json", {"tokenizer_class": "os.system"}),
    "a class in another repository": ("tokenizer_config.json", {"tokenizer_class": "a/b--c.D"}),
    "a class by dunder": ("tokenizer_config.json", {"tokenizer_class": "__builtins__"}),
    "another file": ("tokenizer_config.json", {"tokenizer_file": "/etc/passwd"}),
    "another vocabulary": ("tokenizer_config.json", {"vocab_file": "../other/vocab.json"}),
    "a choice of files": (
        "tokenizer_config.json",
        {"fast_tokenizer_files": ["tokenizer.4.0.0.json"]},
    ),
    "arguments": ("tokenizer_config.json", {"init_inputs": ["/etc/passwd"]}),
    "sampling": ("tokenizer_config.json", {"sp_model_kwargs": {"enable_sampling": True}}),
    "a token far away": (
        "tokenizer_config.json",
        {"added_tokens_decoder": {"4000000000": {"content": "<a>"}}},
    ),
    "a token below zero": (
        "tokenizer_config.json",
        {"added_tokens_decoder": {"-1": {"content": "<a>"}}},
    ),
    "a token with Arabic digits": (
        "tokenizer_config.json",
        {"added_tokens_decoder": {"\u0661": {"content": "<a>"}}},
    ),
    "a token with a secret": (
        "tokenizer_config.json",
        {"added_tokens_decoder": {"1": {"content": "<a>", "normalizer": {}}}},
    ),
    "a token that is no text": ("tokenizer_config.json", {"bos_token": 1}),
    "an unknown key": ("tokenizer_config.json", {"model_specific": 1}),
    "an underscored key": ("tokenizer_config.json", {"_tokenizer": {}}),
    "a nested object": ("special_tokens_map.json", {"bos_token": {"content": {"a": 1}}}),
    "code in the map": ("special_tokens_map.json", {"auto_map": {}}),
    "an unknown token": ("special_tokens_map.json", {"add_bos_token": True}),
    "an id far away": ("added_tokens.json", {"<a>": 1 << 20}),
    "an id that is true": ("added_tokens.json", {"<a>": True}),
    "generation by code": ("generation_config.json", {"custom_generate": "x/y"}),
    "trust": ("generation_config.json", {"trust_remote_code": True}),
    "a compiler": ("generation_config.json", {"compile_config": {"backend": "x"}}),
    "a watermark": ("generation_config.json", {"watermarking_config": {"greenlist_ratio": 0.5}}),
    "the kernel": ("generation_config.json", {"attn_implementation": "eager"}),
    "an unknown parameter": ("generation_config.json", {"final_logit_softcapping": 3.0}),
}


@pytest.mark.parametrize("name", SIDE)
def test_t47_the_files_beside_have_lists_too(name: str) -> None:
    file, value = SIDE[name]
    with pytest.raises(ModelRejected, match=file) as caught:
        check_json(file, json.dumps(value).encode())
    assert caught.value.reason is Reason.BAD_CONFIG


def test_what_published_models_say_beside_is_admitted() -> None:
    added = {"content": "<s>", "lstrip": False, "normalized": False, "rstrip": False}
    added |= {"single_word": False, "special": True}
    for file, value in (
        (
            "tokenizer_config.json",
            {
                "add_bos_token": True,
                "add_eos_token": False,
                "added_tokens_decoder": {"0": added, "128255": added},
                "additional_special_tokens": ["<a>", added],
                "bos_token": {"__type": "AddedToken", **added},
                "chat_template": [{"name": "default", "template": "{{ messages }}"}],
                "clean_up_tokenization_spaces": False,
                "eos_token": "</s>",
                "legacy": None,
                "model_input_names": ["input_ids", "attention_mask"],
                "model_max_length": 1000000000000000019884624838656,
                "pad_token": None,
                "sp_model_kwargs": {},
                "special_tokens_map_file": "/admin/home/.cache/special_tokens_map.json",
                "tokenizer_class": "LlamaTokenizer",
                "tokenizer_file": None,
                "unk_token": "<unk>",
                "use_default_system_prompt": False,
                "vocab_size": 49152,
            },
        ),
        (
            "tokenizer_config.json",
            {"backend": "tokenizers", "tokenizer_class": "TokenizersBackend"},
        ),
        ("special_tokens_map.json", {"bos_token": added, "pad_token": "</s>"}),
        ("added_tokens.json", {"<pad>": 32000}),
        (
            "generation_config.json",
            {
                "_from_model_config": True,
                "bos_token_id": 1,
                "cache_implementation": "hybrid",
                "do_sample": True,
                "eos_token_id": [128001, 128008],
                "temperature": 0.6,
                "top_p": 0.9,
                "transformers_version": "4.45.0",
            },
        ),
    ):
        check_json(file, json.dumps(value).encode())


def test_a_configuration_is_checked_in_milliseconds() -> None:
    texts = [json.dumps(config).encode() for config in PUBLISHED.values()]
    began = time.process_time()
    for text in texts * 4:
        check(text)
    assert time.process_time() - began < 0.02 * len(texts) * 4

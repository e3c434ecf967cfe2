"""The configuration that a model is built from, against transformers' own and against attackers."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from sn37.adapters.admission.config import CheckedConfig, read_config
from sn37.adapters.admission.config_family import FULL, SLIDING, Family
from sn37.adapters.admission.config_keys import FAMILIES
from sn37.adapters.admission.config_rope import KINDS
from sn37.adapters.admission.config_rules import Flag, OneOf, Real, Settings
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.model_config import build_config, check_built
from sn37.domain.canonical import JsonValue
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected
from tests.support.published_configs import PUBLISHED

# What every configuration class has besides the keys of the tables: none of it changes a loss of a
# model in evaluation mode whose weights all come from files.
UNUSED = {
    *("_attn_implementation_internal", "_experts_implementation_internal", "_name_or_path"),
    *("_output_attentions", "_post_init_done", "architectures", "chunk_size_feed_forward"),
    *("dtype", "id2label", "is_encoder_decoder", "label2id", "output_hidden_states"),
    *("problem_type", "return_dict", "transformers_version", "use_cache"),
    *("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"),
    *("forced_eos_token_id", "initializer_range", "init_std", "is_decoder", "pretraining_tp"),
    *("attention_dropout", "hidden_dropout", "classifier_dropout", "dropout", "embd_pdrop"),
    *("resid_pdrop", "activation_dropout", "decoder_layerdrop", "encoder_layerdrop"),
    *("use_bidirectional_attention", "ignore_keys_at_rope_validation"),
}


def checked(config: object) -> CheckedConfig:
    return read_config(json.dumps(config).encode())


def on_meta(config: PreTrainedConfig) -> PreTrainedModel:
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    return model


def attributes(config: PreTrainedConfig, names: set[str]) -> dict[str, object]:
    found = {name: getattr(config, name) for name in names}
    if isinstance(found.get("rope_parameters"), dict):
        found["rope_parameters"] = {
            name: value for name, value in config.rope_parameters.items() if name != "type"
        }
    return found


@pytest.mark.parametrize("name", [n for n in PUBLISHED if "first released" not in n])
def test_a_published_configuration_means_what_transformers_makes_of_it(name: str) -> None:
    given = copy.deepcopy(PUBLISHED[name])
    theirs = AutoConfig.for_model(str(given.pop("model_type")), **given)
    ours = checked(PUBLISHED[name])
    assert attributes(theirs, set(ours.settings)) == ours.settings
    built = build_config(ours)
    assert attributes(built, set(ours.settings)) == ours.settings


@pytest.mark.parametrize("architecture", FAMILIES)
def test_the_tables_have_the_defaults_and_all_the_attributes_of_the_classes(
    architecture: str,
) -> None:
    family = FAMILIES[architecture]
    theirs = getattr(transformers, family.config_class)()
    ours = checked({"architectures": [architecture], "model_type": family.model_type})
    assert attributes(theirs, set(ours.settings)) == ours.settings
    # A release that adds an attribute stops here: put it into the table, or among the unused.
    assert vars(theirs).keys() - ours.settings.keys() <= UNUSED
    assert ours.settings.keys() <= vars(theirs).keys()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Llama-2-7b", 6_738_415_616),
        ("Llama-3.2-3B-Instruct", 3_212_749_824),
        ("Phi-3-mini-128k-instruct, as first released", 3_821_079_552),
        ("gemma-2-2b", 2_614_341_888),
        ("falcon-7b-instruct", 6_921_720_704),
        ("pythia-1b", 1_011_781_632),
        ("Qwen3-0.6B", 596_049_920),
    ],
)
def test_a_published_model_has_its_published_size(name: str, parameters: int) -> None:
    assert on_meta(build_config(checked(PUBLISHED[name]))).num_parameters() == parameters


def test_t47_an_attribute_that_nobody_allowed_is_noticed() -> None:
    ours = checked(PUBLISHED["SmolLM2-135M"])
    given = {**ours.settings, "pad_token_id": None}
    llama: Callable[..., PreTrainedConfig] = transformers.LlamaConfig
    for name, value in (
        ("final_logit_softcapping", 30.0),
        ("is_causal", False),
        ("attribute_map", {}),
        ("hidden_size", 577),
        ("rms_norm_eps", 1e-6),
        ("_attn_implementation", "eager"),
    ):
        config = llama(**copy.deepcopy(given))
        check_built(config, given)
        setattr(config, name, value)
        with pytest.raises(ModelFault, match=name.removeprefix("_")) as caught:
            check_built(config, given)
        assert caught.value.reason is Reason.BAD_CONFIG


# Small and odd values, many of which fit one another.
SMALL: dict[str, st.SearchStrategy[JsonValue]] = {
    "vocab_size": st.sampled_from([1, 2, 64]),
    "max_position_embeddings": st.sampled_from([1, 64, 1 << 24]),
    "head_dim": st.sampled_from([2, 4, 8, 16, 64]),
    "layer_types": st.one_of(
        st.none(), st.lists(st.sampled_from([FULL, SLIDING]), min_size=1, max_size=2)
    ),
    "sliding_window": st.sampled_from([None, 1, 64]),
    "original_max_position_embeddings": st.sampled_from([2, 64]),
    "rms_norm_eps": st.sampled_from([1e-5, 1e-6]),
    "layer_norm_eps": st.sampled_from([1e-5, 1e-12]),
    "layer_norm_epsilon": st.sampled_from([1e-5, 0.1]),
    "num_key_value_heads": st.sampled_from([1, 1, 2]),
    "num_kv_heads": st.sampled_from([1, 2, 3]),
}
SIZES = st.sampled_from([1, 2, 2, 4])
WIDTHS = st.sampled_from([8, 16, 32, 48])
NUMBERS = st.sampled_from([1, 1.0, 2.0, 4, 32.0, 1e4])
NEEDED: dict[str, Settings] = {
    "linear": {"factor": 2.0},
    "dynamic": {"factor": 2},
    "yarn": {"factor": 4.0},
    "llama3": {"factor": 8.0, "low_freq_factor": 1, "high_freq_factor": 4.0},
}


def a_value(name: str, family: Family) -> st.SearchStrategy[JsonValue]:
    rule = family.keys[name].rule
    if name in SMALL:
        return SMALL[name]
    if isinstance(rule, Flag):
        return st.booleans()
    if isinstance(rule, OneOf):
        return st.sampled_from(rule.values)
    if isinstance(rule, Real):
        return st.sampled_from([0.5, 30.0, None])
    return WIDTHS if "size" in name or "dim" in name or name == "d_model" else SIZES


@st.composite
def a_rope(draw: st.DrawFn) -> Settings:
    kind = draw(st.sampled_from([*KINDS, "su"]))
    found: Settings = {draw(st.sampled_from(["type", "rope_type"])): kind, **NEEDED.get(kind, {})}
    odd = {"factor": NUMBERS, "attention_factor": NUMBERS, "beta_fast": NUMBERS}
    if draw(st.integers(min_value=0, max_value=3)) == 0:
        name = draw(st.sampled_from(sorted(odd)))
        found[name] = draw(odd[name])
    if kind in ("longrope", "su"):
        count = draw(st.sampled_from([2, 4, 8]))
        found |= {"short_factor": [1.0] * count, "long_factor": [2.0] * count}
    if kind in ("yarn", "llama3", "longrope") and draw(st.booleans()):
        found["original_max_position_embeddings"] = draw(st.sampled_from([2, 64]))
    return found


@st.composite
def a_config(draw: st.DrawFn) -> Settings:
    architecture = draw(st.sampled_from(sorted(FAMILIES)))
    family = FAMILIES[architecture]
    found: Settings = {
        "architectures": [architecture],
        "model_type": family.model_type,
        "vocab_size": 64,
    }
    for name in family.keys:
        # Depth and width are always small; all else may be left to the default.
        if (
            name.endswith(("layers", "size", "dim", "heads"))
            or name == "d_model"
            or draw(st.booleans())
        ):
            found[name] = draw(a_value(name, family))
    if family.rope is not None and draw(st.booleans()):
        found[draw(st.sampled_from(["rope_scaling", "rope_parameters"]))] = draw(a_rope())
        if draw(st.booleans()):
            found[family.rope.theta_key] = draw(st.sampled_from([2.0, 1e4, 1000000]))
    return found


@given(a_config())
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_t47_whatever_is_allowed_builds_on_the_meta_device_or_is_a_fault(config: Settings) -> None:
    try:
        ours = checked(config)
    except ModelRejected as refused:
        assert refused.reason is Reason.BAD_CONFIG  # noqa: PT017 - both outcomes are right
        return
    # What admission lets in, transformers builds, and nothing else is set on it.
    built = build_config(ours)
    assert vars(built).keys() <= set(ours.settings) | UNUSED
    assert type(on_meta(built)).__name__ == ours.architecture
    assert built._attn_implementation in ("sdpa", "eager")
    assert "attribute_map" not in vars(built)


def test_the_worker_reads_no_other_config(tmp_path: Path) -> None:
    for name in ("generation_config.json", "text_config.json"):
        (tmp_path / name).write_text('{"final_logit_softcapping": 1.0, "hidden_size": 1}')
    assert not hasattr(build_config(checked(PUBLISHED["SmolLM2-135M"])), "final_logit_softcapping")


FALCON_FORMS = [
    {
        "new_decoder_architecture": new,
        "multi_query": multi,
        "parallel_attn": parallel,
        "num_kv_heads": groups,
        "num_ln_in_parallel_attn": norms,
    }
    for new, multi, parallel, groups, norms in itertools.product(
        (False, True), (False, True), (False, True), (1, 2, 4), (None, 1, 2)
    )
]


def test_a_falcon_is_admitted_exactly_if_its_layers_can_run() -> None:
    """Three forms passed `sn37 check` and failed in the round with torch's words."""
    tiny = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 1, "vocab_size": 64}
    base = PUBLISHED["falcon-7b-instruct"] | tiny
    num_running = 0
    for form in FALCON_FORMS:
        try:
            config = build_config(checked(base | form))
        except ModelRejected:
            with pytest.raises((RuntimeError, AttributeError, NameError)):
                run_once(AutoConfig.for_model("falcon", **(tiny | form)))
        else:
            run_once(config)
            num_running += 1
    assert num_running > len(FALCON_FORMS) // 3


def run_once(config: PreTrainedConfig) -> None:
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    model(input_ids=torch.arange(8).unsqueeze(0), use_cache=False)

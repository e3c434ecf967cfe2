"""Check of config.json by an allow-list of keys, and the settings made from it.

A key outside the tables is rejected, so that no unknown key reaches transformers. transformers
makes an attribute of every key and reads some of them in places outside the architecture's
code, and ``attribute_map`` can give any key another name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sn37.adapters.admission.config_family import Family, int_of
from sn37.adapters.admission.config_keys import FAMILIES
from sn37.adapters.admission.config_rope import change
from sn37.adapters.admission.config_rules import Settings, nearest, shown
from sn37.adapters.admission.config_shape import misfit
from sn37.adapters.admission.leftover_keys import LEFTOVERS, OFF, OWN
from sn37.adapters.admission.side_keys import SIDE_FILES
from sn37.adapters.admission.strict_json import StrictJsonError, keys_of, parse_object
from sn37.domain.canonical import JsonValue
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.ports.errors import ModelRejected

# Keys that ask for code, for another loader or for another kernel, each with its remedy.
# They are rejected at any depth, in every JSON file.
FORBIDDEN: Mapping[str, str] = {
    "attribute_map": "it gives other keys new names: remove it",
    "auto_map": "it asks for code: remove it",
    "trust_remote_code": "it asks for code: remove it",
    "custom_pipelines": "it asks for code: remove it",
    "custom_generate": "it asks for code: remove it",
    "quantization_config": "save the weights unquantised, in bfloat16",
    "compression_config": "save the weights uncompressed, in bfloat16",
    "attn_implementation": "the validator chooses the kernel: remove it",
    "_attn_implementation": "the validator chooses the kernel: remove it",
    "_attn_implementation_internal": "the validator chooses the kernel: remove it",
    "experts_implementation": "the validator chooses the kernel: remove it",
    "_experts_implementation": "the validator chooses the kernel: remove it",
    "transformers_weights": "the weights are in the safetensors files: remove it",
    "peft_config": "merge the adapter into the weights",
}
MAX_TOLD = 8  # further keys that one message lists
_MAX_NUMBER = 1e12  # limit for every number in config.json: rope factors, token ids, epsilons
_ALWAYS = frozenset({"architectures", "model_type"})
# Tensors of old checkpoints that transformers silently ignores.
_LEFT_ASIDE = re.compile(
    r"rotary_emb\.inv_freq|attention.bias|attention.masked_bias|(^|\.)(cross)?attn.bias"
    r"|(en|de)coder.version"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedConfig:
    """The parts of config.json that later checks need."""

    architecture: str
    tied: bool  # input and output embeddings are one tensor
    config_class: str  # of transformers
    # Every key of the architecture's table; a missing key has transformers' default.
    # The model is built only from these settings, and they hold nothing else of the file.
    settings: Settings


def check_config(text: bytes, constraints: ModelConstraints) -> CheckedConfig:
    """Return the settings of config.json if its keys are known and within the competition's limits.

    Raises:
        ModelRejected: ``bad_config``, or ``architecture`` if the competition does not allow
            the named architecture.
    """
    config = check_json("config.json", text)
    _check_numbers(config)
    architecture = _architecture(config)
    if architecture not in constraints.architectures:
        allowed = ", ".join(sorted(constraints.architectures))
        raise ModelRejected(
            f"{architecture[:60]!a} is not allowed in this competition: use one of {allowed}",
            reason=Reason.ARCHITECTURE,
        )
    checked = _checked(config, architecture)
    check_window(checked, constraints.max_tokens)
    return checked


def check_window(config: CheckedConfig, max_tokens: int) -> None:
    """Reject frequencies that change with a sample's length within ``max_tokens``.

    Raises:
        ModelRejected: ``bad_config``.
    """
    rope, parameters = FAMILIES[config.architecture].rope, config.settings.get("rope_parameters")
    if rope is None or not isinstance(parameters, dict):
        return
    positions = int_of(config.settings, "max_position_embeddings")
    why = change(parameters, rope.kinds, positions=positions, window=max_tokens)
    if why is not None:
        raise bad(f"config.json: {why}")


def read_config(text: bytes) -> CheckedConfig:
    """Return the settings of config.json without a competition's limits.

    Raises:
        ModelRejected: As in ``check_config``.
    """
    config = check_json("config.json", text)
    _check_numbers(config)
    return _checked(config, _architecture(config))


def check_names(config: CheckedConfig, tensors: Collection[str]) -> None:
    """Reject tensors that would be hashed but never used, so that a clone cannot hide in them.

    The worker rejects every tensor that transformers reports as unexpected. This check finds
    those that transformers does not report.

    Raises:
        ModelRejected: ``unloadable``.
    """
    if config.tied and "lm_head.weight" in tensors:
        raise ModelRejected(
            "lm_head.weight would be ignored, since config.json ties it to the input embeddings: "
            "remove it, or set tie_word_embeddings to false",
            reason=Reason.UNLOADABLE,
        )
    for name in sorted(tensors):
        if _LEFT_ASIDE.search(name):
            raise ModelRejected(
                f"tensor {name[:80]} would be ignored: remove it", reason=Reason.UNLOADABLE
            )


def check_json(name: str, text: bytes) -> dict[str, JsonValue]:
    """Return a JSON file of the repository whose keys are all known and not forbidden.

    Raises:
        ModelRejected: ``bad_config``.
    """
    try:
        value = parse_object(text)
    except StrictJsonError as error:
        raise bad(f"{name}: {error}") from error
    for key in keys_of(value):
        if key in FORBIDDEN:
            raise bad(f"{name}: {key} is not accepted: {FORBIDDEN[key]}")
    rule = SIDE_FILES.get(name)
    if rule is not None and (why := rule.problem(value)) is not None:
        raise bad(f"{name}: it {why}")
    return value


def bad(message: str) -> ModelRejected:
    """Return the rejection of a JSON file."""
    return ModelRejected(message, reason=Reason.BAD_CONFIG)


def _architecture(config: Settings) -> str:
    match config.get("architectures"):
        case [str(architecture)]:
            return architecture
        case other:
            raise bad(f"config.json: architectures must name one class, not {shown(other)}")


def _checked(config: Settings, architecture: str) -> CheckedConfig:
    family = FAMILIES.get(architecture)
    if family is None:
        raise ModelRejected(
            f"{architecture[:60]!a} is not an architecture that validators can score: use one of "
            f"{', '.join(FAMILIES)}",
            reason=Reason.ARCHITECTURE,
        )
    _check_type(config, architecture, family)
    settings: Settings = {}
    for name, key in family.keys.items():
        if name in config and (why := key.rule.problem(config[name])) is not None:
            raise bad(f"config.json: {name} {shown(config[name])} {why}")
        settings[name] = key.meant(config, name, settings)
    if family.rope is not None:
        settings["rope_parameters"], why = family.rope.parameters(config, settings)
        if why is not None:
            raise bad(f"config.json: {why}")
    _check_others(config, family, settings)
    if (why := misfit(family, settings)) is not None:
        raise bad(f"config.json: {why}")
    return CheckedConfig(
        architecture=architecture,
        tied=settings["tie_word_embeddings"] is True,
        config_class=family.config_class,
        settings=settings,
    )


def _check_type(config: Settings, architecture: str, family: Family) -> None:
    given = config.get("model_type")
    if given is None:
        raise bad(f'config.json: model_type is missing: write "{family.model_type}"')
    if given != family.model_type:
        raise ModelRejected(
            f"config.json: model_type {shown(given)} does not fit {architecture}: write "
            f'"{family.model_type}"',
            reason=Reason.ARCHITECTURE,
        )


def _check_others(config: Settings, family: Family, settings: Settings) -> None:
    """Check that every key outside the settings is a known leftover, off, or repeats a setting."""
    own = OWN.get(family.model_type, {})
    rope = family.rope.keys if family.rope is not None else frozenset()
    unknown: list[str] = []
    for name, value in config.items():
        if name in family.keys or name in rope or name in _ALWAYS:
            continue
        if name in family.echoes:
            meant = family.echoes[name](settings)
            if value is not None and (value != meant or isinstance(value, bool)):
                raise bad(
                    f"config.json: {name} {shown(value)} contradicts other keys, which imply "
                    f"{meant}: remove it"
                )
            continue
        rule = own.get(name) or LEFTOVERS.get(name)
        if rule is not None:
            if (why := rule.problem(value)) is not None:
                raise bad(f"config.json: {name} {shown(value)} {why}")
        elif name in OFF:
            if OFF[name].problem(value) is not None:
                raise bad(
                    f"config.json: {name} {shown(value)} is not supported for "
                    f"{family.model_type} models: remove it"
                )
        else:
            unknown.append(name)
    if unknown:
        raise bad(_unknown(unknown[0], family) + _others(unknown[1:]))
    padding = config.get("pad_token_id")
    vocabulary = settings["vocab_size"]
    if isinstance(padding, int) and isinstance(vocabulary, int) and padding >= vocabulary:
        raise bad(f"config.json: pad_token_id {padding} is not below vocab_size {vocabulary}")


def _unknown(name: str, family: Family) -> str:
    known = {*family.keys, *LEFTOVERS, *(family.rope.keys if family.rope is not None else ())}
    if meant := nearest(name, known):
        return f"config.json: {shown(name)} is not a known key: write {meant}"
    if name.startswith("_"):
        return f"config.json: {shown(name)} is internal to transformers: remove it"
    return (
        f"config.json: {shown(name)} is not a key that {family.model_type} models need: remove it "
        "(validators build the model without it)"
    )


def _others(names: Sequence[str]) -> str:
    """List the other unknown keys, so that one check shows them all."""
    if not names:
        return ""
    told = ", ".join(shown(name) for name in names[:MAX_TOLD])
    more = f" and {len(names) - MAX_TOLD} more" if len(names) > MAX_TOLD else ""
    return f"; also not needed: {told}{more}"


def _check_numbers(value: JsonValue) -> None:
    if isinstance(value, dict):
        for child in value.values():
            _check_numbers(child)
    elif isinstance(value, list):
        for child in value:
            _check_numbers(child)
    elif isinstance(value, int | float) and not abs(value) <= _MAX_NUMBER:  # 1e999 is infinity
        raise bad(f"config.json: number {shown(value)} is out of bounds")

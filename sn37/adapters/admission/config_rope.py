"""Rotary frequencies in config.json, in old and new spellings.

transformers 5 writes ``rope_parameters`` with the base and the type inside. Published models
have ``rope_theta`` and ``rope_scaling``, ``type`` in place of ``rope_type``, and GPT-NeoX has
its own names. Two spellings that disagree are rejected, since versions of transformers differ
in which one they use.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sn37.adapters.admission.config_rules import (
    Each,
    Flag,
    OneOf,
    Real,
    Rule,
    Settings,
    Whole,
    shown,
)
from sn37.domain.canonical import JsonValue

_THETA = Real(2.0, 1e12, whole=True)
_SHARE = Real(1e-3, 1.0, whole=True)
_FACTOR = Real(1.0, 1e4, whole=True)
_SCALE = Real(0.0, 10.0, null=True, whole=True)  # scale of what is rotated; published: 1.0 to 1.5
_FACTORS = Each(Real(1e-2, 1e5, whole=True), 2048)
_ORIGINAL = Whole(2, 1 << 24)
_YARN: Mapping[str, Rule] = {
    "attention_factor": _SCALE,
    "beta_fast": Real(1e-3, 1e4, null=True, whole=True),
    "beta_slow": Real(1e-3, 1e4, null=True, whole=True),
    "mscale": _SCALE,
    "mscale_all_dim": _SCALE,
    "truncate": Flag(),
}
# Required and optional keys of each type (transformers.modeling_rope_utils).
_NEEDED: Mapping[str, Mapping[str, Rule]] = MappingProxyType(
    {
        "default": {},
        "linear": {"factor": _FACTOR},
        "dynamic": {"factor": _FACTOR},
        "yarn": {"factor": _FACTOR},
        "longrope": {"short_factor": _FACTORS, "long_factor": _FACTORS},
        "llama3": {
            "factor": _FACTOR,
            "low_freq_factor": Real(1e-3, 1e3, whole=True),
            "high_freq_factor": Real(1e-3, 1e3, whole=True),
        },
    }
)
_OPTIONAL: Mapping[str, Mapping[str, Rule]] = MappingProxyType(
    {
        "linear": {"original_max_position_embeddings": _ORIGINAL},  # kept as a note, never read
        "dynamic": {"original_max_position_embeddings": _ORIGINAL},
        "yarn": _YARN,
        "longrope": {
            "factor": Real(1.0, 1e4, null=True, whole=True),
            "attention_factor": _SCALE,
        },
    }
)
_WITH_ORIGINAL = ("yarn", "longrope", "llama3")
# Beyond the original length, these change the frequencies of all positions of a row.
_CHANGING = frozenset({"dynamic", "longrope"})
KINDS = ("default", "linear", "dynamic", "yarn", "llama3", "longrope")
SOURCES = ("rope_parameters", "rope_scaling")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rope:
    """Spelling of the frequencies in one architecture."""

    kinds: tuple[str, ...] = KINDS
    old_kinds: Mapping[str, str] = field(default_factory=dict)
    theta_key: str = "rope_theta"
    share: float | None = None  # part of a head that is rotated by default; None: always all of it
    share_key: str | None = None
    original_key: str | None = None  # of the original length, outside the object

    @property
    def keys(self) -> frozenset[str]:
        """The keys of config.json that belong to the frequencies."""
        names = {*SOURCES, self.theta_key, "rope_theta"}
        if self.share_key is not None:
            names |= {self.share_key, "partial_rotary_factor"}
        return frozenset(names)

    def parameters(self, given: Settings, settings: Settings) -> tuple[Settings, str | None]:
        """Return transformers' ``rope_parameters``, and why they are rejected (or ``None``).

        Args:
            given: config.json.
            settings: The checked keys, with defaults.
        """
        inside, why = _object(given)
        if why is not None:
            return {}, why
        kind = inside.pop("rope_type", inside.pop("type", "default"))
        kind = self.old_kinds.get(kind, kind) if isinstance(kind, str) else kind
        if (why := OneOf(*self.kinds).problem(kind)) is not None or not isinstance(kind, str):
            return {}, f"rope_type {shown(kind)} {why}"
        theta, why = _agreed(given, self.theta_key, "rope_theta", inside, _THETA, 10_000.0)
        if why is not None:
            return {}, why
        found: Settings = {"rope_type": kind, "rope_theta": theta}
        if self.share_key is not None:
            found["partial_rotary_factor"], why = _agreed(
                given, self.share_key, "partial_rotary_factor", inside, _SHARE, self.share
            )
            if why is not None:
                return {}, why
        elif (share := inside.pop("partial_rotary_factor", 1.0)) not in (1, 1.0):
            return {}, f"partial_rotary_factor {shown(share)} is not used by this architecture"
        if kind in _WITH_ORIGINAL:
            original, why = self._original(inside, settings)
            if why is not None:
                return {}, why
            found["original_max_position_embeddings"] = original
        why = _check_inside(kind, inside)
        return found | {k: v for k, v in inside.items() if v is not None}, why

    def _original(self, inside: Settings, settings: Settings) -> tuple[JsonValue, str | None]:
        name = "original_max_position_embeddings"
        beside = {} if self.original_key is None else {name: settings[self.original_key]}
        default = settings["max_position_embeddings"]
        return _agreed(beside, name, name, inside, _ORIGINAL, default)


def change(
    parameters: Settings, kinds: Collection[str], *, positions: int, window: int
) -> str | None:
    """Return why length-dependent frequencies are rejected; ``None`` if they do not occur.

    With them, a sample's losses would depend on its own length (its first tokens would know how
    far away the end is) and on its neighbours in the row. Within their original length both
    types are plain.

    Args:
        parameters: As ``Rope.parameters`` returns them.
        kinds: The types that the architecture allows.
        positions: ``max_position_embeddings``, where ``dynamic`` begins to change.
        window: Tokens of the longest sample.
    """
    kind = str(parameters["rope_type"])
    if kind not in _CHANGING:
        return None
    original = parameters.get("original_max_position_embeddings", positions)
    length = min(original, positions) if isinstance(original, int) else positions
    if length >= window:
        return None
    *others, last = [name for name in kinds if name not in _CHANGING]
    steady = f"{', '.join(others)} or {last}" if others else last
    return (
        f"rope type {kind} changes beyond {length} tokens, within the competition's {window}: "
        f"use {steady}"
    )


def _object(given: Settings) -> tuple[Settings, str | None]:
    """Return a copy of the object that holds the parameters, under either name."""
    objects: list[Settings] = []
    for name in SOURCES:
        value = given.get(name)
        if value is None:
            continue
        if not isinstance(value, dict):
            return {}, f"{name} {shown(value)} is not an object"
        if "type" in value and value.get("rope_type", value["type"]) != value["type"]:
            return {}, f"{name} has a type and another rope_type: keep one of them"
        objects.append(dict(value))
    if len(objects) == 2 and objects[0] != objects[1]:
        return {}, "rope_scaling and rope_parameters differ: remove rope_scaling"
    return (objects[0] if objects else {}), None


def _agreed(
    beside: Settings, key: str, name: str, inside: Settings, rule: Rule, default: JsonValue
) -> tuple[JsonValue, str | None]:
    """Return the value of ``name`` in the object, or of ``key`` outside it, or the default.

    If both are given they must be equal. The same holds for ``name`` outside the object, if
    another key is read there.
    """
    values = {f"{name} in rope_parameters": inside.pop(name, None), key: beside.get(key)}
    for where, value in values.items():
        if value is not None and (why := rule.problem(value)) is not None:
            return None, f"{where} {shown(value)} {why}"
    within, outside = values.values()
    if within is not None and outside is not None and within != outside:
        return None, f"{key} {shown(outside)} and {shown(within)} in rope_parameters differ"
    found = next((value for value in (within, outside) if value is not None), default)
    if key != name and beside.get(name) not in (None, found):
        return None, f"{name} {shown(beside[name])} is not applied by transformers: write {key}"
    return found, None


def _check_inside(kind: str, inside: Settings) -> str | None:
    inside.pop("type", None)  # next to an equal rope_type
    needed, optional = _NEEDED[kind], _OPTIONAL.get(kind, {})
    for name, rule in needed.items():
        if name not in inside:
            return f"rope type {kind} needs {name}"
        if (why := rule.problem(inside[name])) is not None:
            return f"{name} of rope type {kind} is {shown(inside[name])}, which {why}"
    for name, value in inside.items():
        if name in needed:
            continue
        if name not in optional:
            return f"rope type {kind} does not use {shown(name)}: remove it"
        if (why := optional[name].problem(value)) is not None:
            return f"{name} of rope type {kind} is {shown(value)}, which {why}"
    return None

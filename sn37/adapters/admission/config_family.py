"""Types for the config.json keys of one architecture and the settings made from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sn37.adapters.admission.config_rope import Rope
from sn37.adapters.admission.config_rules import Rule, Settings
from sn37.domain.canonical import JsonValue

Derived = Callable[[Settings], JsonValue]  # computed from the settings of the earlier keys

FULL, SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its allowed values, and the attribute that the configuration class makes of it.

    ``default`` applies if the file lacks the key. ``if_null`` applies if the file says null and
    null stands for another value. ``becomes`` is computed last, from any value.
    """

    rule: Rule
    default: JsonValue | Derived
    if_null: Derived | None = None
    becomes: Derived | None = None

    def meant(self, given: Mapping[str, JsonValue], name: str, settings: Settings) -> JsonValue:
        """Return the attribute that the configuration class will have."""
        value: JsonValue
        if name not in given:
            value = self.default(settings) if callable(self.default) else self.default
        elif given[name] is None and self.if_null is not None:
            value = self.if_null(settings)
        else:
            value = given[name]
        if self.becomes is None:
            return value
        return self.becomes(settings | {name: value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Allowed config.json keys of one architecture."""

    model_type: str
    config_class: str  # of transformers
    keys: Mapping[str, Key]  # in the order in which they depend on one another
    rope: Rope | None = None
    # Redundant keys of published models, and the values that they must have.
    echoes: Mapping[str, Derived] = field(default_factory=dict)


def int_of(settings: Settings, name: str) -> int:
    """Return a whole number from checked settings."""
    value = settings[name]
    if not isinstance(value, int):
        raise TypeError(f"{name} is {value!r}")
    return value

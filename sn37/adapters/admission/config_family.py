"""The keys of one architecture's config.json, and the settings that they make. No table here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sn37.adapters.admission.config_rope import Rope
from sn37.adapters.admission.config_rules import Rule, Settings
from sn37.domain.canonical import JsonValue

Derived = Callable[[Settings], JsonValue]  # from the settings of the keys before

FULL, SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what it may be, and what the configuration class makes of it.

    ``default`` counts where the file does not name the key, ``if_null`` where it says null and
    null means another value, and ``becomes`` is computed last, over whatever there is.
    """

    rule: Rule
    default: JsonValue | Derived
    if_null: Derived | None = None
    becomes: Derived | None = None

    def meant(self, given: Mapping[str, JsonValue], name: str, settings: Settings) -> JsonValue:
        """The attribute that the configuration class will have."""
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
    """What config.json may say for one architecture."""

    model_type: str
    config_class: str  # of transformers
    keys: Mapping[str, Key]  # in the order in which they depend on one another
    rope: Rope | None = None
    # Other spellings that published models carry beside a key, and what they must equal.
    echoes: Mapping[str, Derived] = field(default_factory=dict)


def int_of(settings: Settings, name: str) -> int:
    """A whole number among settings that have been checked."""
    value = settings[name]
    if not isinstance(value, int):
        raise TypeError(f"{name} is {value!r}")
    return value

"""Check that the sizes of a configuration fit one another, with messages for miners.

transformers finds most of this too: some while it builds the configuration, some during the
first forward pass. It never finds some of it, such as frequencies that are not numbers.
"""

from __future__ import annotations

from sn37.adapters.admission.config_family import SLIDING, Family, int_of
from sn37.adapters.admission.config_rules import Settings

# Their classes require that heads divide the width even if a head's width is given.
_DIVIDED = frozenset({"llama", "gemma2"})


def misfit(family: Family, settings: Settings) -> str | None:
    """Return the first misfit, or ``None``."""
    if family.model_type == "bart":
        return _divides(settings, "decoder_attention_heads", "d_model")
    why = None
    if "head_dim" not in family.keys or family.model_type in _DIVIDED:
        why = _divides(settings, "num_attention_heads", "hidden_size")
    why = why or (_falcon(settings) if family.model_type == "falcon" else None)
    return why or _groups(settings) or _windows(settings) or _frequencies(settings)


def _divides(settings: Settings, part: str, whole: str) -> str | None:
    if int_of(settings, whole) % int_of(settings, part) == 0:
        return None
    return f"{whole} {settings[whole]} is not a multiple of {part} {settings[part]}"


def _groups(settings: Settings) -> str | None:
    """Check that query heads share key/value heads in groups of one size."""
    if "num_kv_heads" in settings:
        if settings["new_decoder_architecture"]:
            return _divides(settings, "num_kv_heads", "num_attention_heads")
        return None  # Falcon's older form has one key/value head, or one for each query head
    if "num_key_value_heads" in settings:
        return _divides(settings, "num_key_value_heads", "num_attention_heads")
    return None


def _falcon(settings: Settings) -> str | None:
    """Check the two forms of Falcon layers, by transformers 5.23 and our implementation."""
    if settings["alibi"]:
        return "alibi is not supported: use rotary positions"
    if settings["new_decoder_architecture"]:
        if not settings["parallel_attn"]:
            return "new_decoder_architecture needs parallel_attn"
        return None
    if settings["parallel_attn"] and settings["num_ln_in_parallel_attn"] == 2:
        return "num_ln_in_parallel_attn 2 needs new_decoder_architecture"
    heads = settings["num_attention_heads"]
    if not settings["multi_query"] and settings["num_kv_heads"] != heads:
        return f"num_kv_heads {settings['num_kv_heads']} is not {heads}: multi_query is off"
    return None


def _windows(settings: Settings) -> str | None:
    kinds = settings.get("layer_types")
    if not isinstance(kinds, list):
        return None
    layers = int_of(settings, "num_hidden_layers")
    if len(kinds) != layers:
        return f"layer_types names {len(kinds)} layers, num_hidden_layers is {layers}"
    if SLIDING in kinds and settings["sliding_window"] is None:
        return f"layer_types has {SLIDING}, but sliding_window is not set"
    return None


def _frequencies(settings: Settings) -> str | None:
    rope = settings.get("rope_parameters")
    if not isinstance(rope, dict):
        return None
    kind, share = rope["rope_type"], rope.get("partial_rotary_factor", 1.0)
    width = settings.get("head_dim")
    if not isinstance(width, int):
        width = int_of(settings, "hidden_size") // int_of(settings, "num_attention_heads")
    rotated = int(width * share) if isinstance(share, int | float) else 0
    least = 4 if kind == "dynamic" else 2  # its exponent is d / (d - 2)
    if rotated < least or rotated % 2:
        return f"{rotated} dimensions of a head of {width} are rotated: an even number is needed"
    for name in ("short_factor", "long_factor"):
        factors = rope.get(name)
        if isinstance(factors, list) and len(factors) != rotated // 2:
            return f"{name} has {len(factors)} numbers, need {rotated // 2}"
    low, high = rope.get("low_freq_factor"), rope.get("high_freq_factor")
    if isinstance(low, int | float) and isinstance(high, int | float) and low >= high:
        return f"high_freq_factor {high} is not above low_freq_factor {low}"
    return None

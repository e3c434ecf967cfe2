"""Premises of a round's verdict as JSON and back."""

from __future__ import annotations

from collections.abc import Sequence

from sn37.adapters.sqlite.codec import from_key, to_key
from sn37.adapters.sqlite.json_values import (
    optional,
    to_bool,
    to_int,
    to_list,
    to_record,
)
from sn37.domain.canonical import JsonValue
from sn37.domain.ids import Block, EntryKey
from sn37.domain.round.state import Premises


def from_premises(premises: Premises) -> JsonValue:
    return {
        "former": None if premises.former is None else from_key(premises.former),
        "is_shielded": premises.is_shielded,
        "num_judged": premises.num_judged,
        "awaited": _from_keys(premises.awaited),
        "clocks": from_clocks(premises.clocks),
        "missed_defences": premises.missed_defences,
        "contenders": None if premises.contenders is None else _from_keys(premises.contenders),
    }


def to_premises(value: JsonValue) -> Premises:
    fields = to_record(value)
    return Premises(
        former=optional(to_key, fields["former"]),
        is_shielded=to_bool(fields["is_shielded"]),
        num_judged=to_int(fields["num_judged"]),
        awaited=_to_keys(fields["awaited"]),
        clocks=to_clocks(fields["clocks"]),
        missed_defences=optional(to_int, fields.get("missed_defences")),
        contenders=optional(_to_keys, fields.get("contenders")),
    )


def _from_keys(keys: Sequence[EntryKey]) -> JsonValue:
    return [from_key(key) for key in keys]


def _to_keys(value: JsonValue) -> tuple[EntryKey, ...]:
    return tuple(to_key(key) for key in to_list(value))


def from_clocks(clocks: Sequence[tuple[EntryKey, Block]]) -> JsonValue:
    return [[from_key(key), block] for key, block in clocks]


def to_clocks(value: JsonValue) -> tuple[tuple[EntryKey, Block], ...]:
    pairs = [to_list(pair) for pair in to_list(value)]
    return tuple((to_key(key), Block(to_int(block))) for key, block in pairs)

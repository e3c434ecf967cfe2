"""Screenings by a base model, and reserves for odd rows, as JSON and back."""

from __future__ import annotations

from collections.abc import Mapping

from sn37.adapters.sqlite.codec import from_samples, to_samples
from sn37.adapters.sqlite.json_values import optional, to_int, to_list, to_record, to_str
from sn37.domain.canonical import JsonValue
from sn37.domain.data.screening import Screening
from sn37.domain.ids import Digest, Hotkey, TaskName
from sn37.domain.round.state import Reserve


def from_reserve(reserve: Reserve) -> JsonValue:
    return {"cap": reserve.cap, "samples": from_samples(reserve.samples)}


def to_reserve(value: JsonValue) -> Reserve:
    fields = to_record(value)
    return Reserve(cap=to_int(fields["cap"]), samples=to_samples(fields["samples"]))


def to_screenings(value: JsonValue) -> Mapping[TaskName, Screening]:
    return {TaskName(task): _to_screening(told) for task, told in to_record(value).items()}


def _to_screening(value: JsonValue) -> Screening:
    fields = to_record(value)
    rows = [to_list(row) for row in to_list(fields["rows"])]
    return Screening(
        cap=to_int(fields["cap"]),
        rows=tuple((to_str(row), Digest(to_str(content))) for row, content in rows),
        signers=tuple(optional(_to_hotkey, s) for s in to_list(fields["signers"])),
        losses=tuple(to_int(loss) for loss in to_list(fields["losses"])),
    )


def _to_hotkey(value: JsonValue) -> Hotkey:
    return Hotkey(to_str(value))

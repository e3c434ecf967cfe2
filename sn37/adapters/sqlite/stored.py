"""Values of the JSON columns, written and read by pydantic.

A dataclass is stored as an object of its fields, an enum as its value, a set as a sorted list, a
float that JSON does not have as "nan", "inf" or "-inf"; ``_FORMS`` has the other forms. The JSON
schema of each column is pinned in tests/data/schemas, so that a changed class without a migration
fails in the tests and not with an operator's database.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property, partial
from operator import attrgetter
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import GetPydanticSchema, TypeAdapter, ValidationError
from pydantic_core import CoreSchema
from pydantic_core import core_schema as core

from sn37.domain.data.samples import Pool, Provenance, Sample
from sn37.domain.ids import Block, BlockRef, CompetitionId, Digest, EntryKey, RoundKey
from sn37.domain.printable import one_line
from sn37.domain.round.signers import SampleSigners, packed, unpacked
from sn37.domain.round.state import (
    Beginning,
    EntryOutcome,
    Premises,
    Reserve,
    RoundPlan,
    RoundResult,
    TaskScore,
    WeightsRecord,
)
from sn37.domain.scoring.answer_signals import AnswerSignals
from sn37.domain.scoring.jobs import ControlLoss
from sn37.domain.scoring.opinion import Compared, Opinion
from sn37.domain.submission.submission import Submission
from sn37.domain.weight_vector import WeightVector

_T = TypeVar("_T")

_ENCODER = json.JSONEncoder(
    separators=(",", ":"), allow_nan=False, check_circular=False, default=datetime.isoformat
)


class CodecError(ValueError):
    """The content of a column is not what this program writes there."""


class Column(Generic[_T]):
    """A column with values of one type as compact JSON.

    The JSON is ASCII and every text is accepted, even half of a surrogate pair, which the JSON
    of pydantic itself does not have.
    """

    def __init__(self, kind: type[_T]) -> None:
        self._kind = kind

    def dump(self, value: _T) -> str:
        """Return the JSON.

        Raises:
            ValueError: A field has a value of another type than its class says.
        """
        written = self._adapter.serializer.to_python(value, by_alias=True, warnings="error")
        return _ENCODER.encode(written)

    def load(self, text: str) -> _T:
        """Return the value.

        Raises:
            CodecError: The text is not JSON, a field is missing, or a value has a wrong type or
                is refused by its class.
        """
        try:
            read: _T = self._adapter.validator.validate_python(
                json.loads(text, parse_constant=_refuse)
            )
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = one_line(".".join(map(str, problem["loc"])))[:80]
            raise CodecError(f"{where}: {problem['msg']} in {text[:80]!r}") from error
        except (ValueError, TypeError, ArithmeticError, LookupError, RecursionError) as error:
            raise CodecError(f"{type(error).__name__}: {error} in {text[:80]!r}") from error
        return read

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema, in which fields are required that must be there to be read."""
        return self._adapter.json_schema(mode="serialization")

    @cached_property
    def _adapter(self) -> TypeAdapter[_T]:
        schema = _schema(self._kind)
        return TypeAdapter(Annotated[Any, GetPydanticSchema(lambda *_: schema)])


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _schema(hint: Any) -> CoreSchema:
    """Return pydantic's schema of a type in its stored form."""
    if hint in _FORMS:
        return _FORMS[hint]()
    if is_dataclass(hint):
        return _record(hint)
    if supertype := getattr(hint, "__supertype__", None):
        return _schema(supertype)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return core.enum_schema(hint, list(hint), sub_type="str")
    origin, inner = get_origin(hint), [_schema(p) for p in get_args(hint) if p not in _NO_TYPES]
    if origin in (Union, UnionType):
        return core.nullable_schema(*inner)
    if origin is tuple:
        return core.tuple_schema(inner, variadic_item_index=0 if ... in get_args(hint) else None)
    if origin is list:
        return core.list_schema(*inner)
    if origin is frozenset:
        return _via(core.list_schema(*inner), read=frozenset, write=sorted)
    if origin in (dict, Mapping):
        return _via(core.dict_schema(*inner), read=dict, write=dict)
    raise TypeError(f"no stored form of {hint}")


def _via(
    stored: CoreSchema, *, read: Callable[[Any], object], write: Callable[[Any], object]
) -> CoreSchema:
    """Return the schema of a value that is stored as another one."""
    written = core.plain_serializer_function_ser_schema(write, return_schema=stored)
    return core.no_info_after_validator_function(read, stored, serialization=written)


def _row(kind: type) -> CoreSchema:
    """Return the schema of a dataclass that is stored as the list of its fields."""
    hints, names = get_type_hints(kind), [field.name for field in fields(kind)]
    by_name = fields(kind)[0].kw_only
    rows = core.tuple_schema([_schema(hints[name]) for name in names])
    return _via(
        rows,
        read=lambda row: kind(**dict(zip(names, row, strict=True))) if by_name else kind(*row),
        write=attrgetter(*names),
    )


def _record(kind: Any) -> CoreSchema:
    """Return the schema of a dataclass that is stored as an object of its fields."""
    hints, names = get_type_hints(kind), [field.name for field in fields(kind)]
    args = [
        core.dataclass_field(
            name,
            _optional(kind, name, _schema(hints[name])),
            kw_only=True,
            validation_alias=_NAMES.get(name),
            serialization_alias=_NAMES.get(name),
            serialization_exclude=name in _ELSEWHERE,
        )
        for name in names
    ]
    checked = hasattr(kind, "__post_init__")
    whole = core.dataclass_args_schema(kind.__name__, args)
    return core.dataclass_schema(kind, whole, names, post_init=checked, slots=True)


def _optional(kind: type, name: str, schema: CoreSchema) -> CoreSchema:
    """Return the schema of a field, which may be missing if older versions did not store it."""
    if name not in (later := _LATER.get(kind, {})):
        return schema
    if callable(default := later[name]):
        return core.with_default_schema(
            schema, default_factory=default, default_factory_takes_data=True
        )
    return core.with_default_schema(schema, default=default)


def _number() -> CoreSchema:
    names = core.literal_schema(["nan", "inf", "-inf"])
    return core.union_schema(
        [core.float_schema(strict=True), core.no_info_after_validator_function(float, names)],
        mode="left_to_right",
        serialization=core.plain_serializer_function_ser_schema(_finite_or_name),
    )


def _finite_or_name(value: float) -> float | str:
    return float(value) if math.isfinite(value) else str(float(value))


def _text() -> CoreSchema:
    # ``str_schema`` refuses half of a surrogate pair; it is here for the JSON schema.
    return core.json_or_python_schema(core.str_schema(), core.is_instance_schema(str))


def _moment() -> CoreSchema:
    # The encoder writes it, which takes half the time of a function called by pydantic.
    written = core.simple_ser_schema("any")
    return core.no_info_after_validator_function(
        datetime.fromisoformat, _text(), serialization=written
    )


def _signers() -> CoreSchema:
    fields = {"hotkeys": list[str], "samples": Mapping[str, list[int | None]]}
    packed_ = core.typed_dict_schema(
        {name: core.typed_dict_field(_schema(hint)) for name, hint in fields.items()},
        cls_name="SampleSigners",
    )
    return _via(packed_, read=lambda said: unpacked(said["hotkeys"], said["samples"]), write=packed)


_NO_TYPES = (..., NoneType)
_FORMS: Mapping[object, Callable[[], CoreSchema]] = {
    int: lambda: core.int_schema(strict=True),
    bool: lambda: core.bool_schema(strict=True),
    float: _number,
    str: _text,
    datetime: _moment,
    PurePath: lambda: _via(_text(), read=PurePath, write=str),
    **{kind: partial(_row, kind) for kind in (BlockRef, Compared, ControlLoss, EntryKey, RoundKey)},
    Pool: lambda: _via(_schema(tuple[Sample, ...]), read=Pool, write=attrgetter("samples")),
    WeightVector: lambda: _via(
        _schema(Mapping[str, float]), read=WeightVector, write=attrgetter("shares")
    ),
    SampleSigners: _signers,
    Mapping[CompetitionId, Block]: lambda: _via(
        _schema(list[tuple[CompetitionId, Block]]),
        read=dict,
        write=lambda blocks: sorted(blocks.items()),
    ),
}
_NAMES = {"num_rounds_rescored": "num_rescored"}
_ELSEWHERE = frozenset({"draws"})  # these have their own table

# Fields that records of older versions do not have, with their value then.
_LATER: Mapping[type, Mapping[str, Any]] = {
    Sample: {"choices": ()},
    Provenance: {"stratum": None},
    RoundPlan: {
        "draws": (),
        "unprobed": frozenset(),
        "signers": None,
        "premises": None,
        "screenings": None,
    },
    Premises: {"missed_defences": None, "contenders": None},
    RoundResult: {
        "later": None,
        "near_duplicates": None,
        "postponed": (),
        # The first rule shielded every champion.
        "is_shielded": lambda read: read["champion"] is not None,
        "clocks": (),
        "missed_defences": None,
        "num_judged_before": 0,
        "forgotten_at": None,
    },
    TaskScore: {"accuracy": None, "answers": None},
    WeightsRecord: {"newest_rounds": lambda read: {}},
    Beginning: {"num_rounds_rescored": 0},
}

SUBMISSION = Column(Submission)
POOL = Column(Pool)
SAMPLES = Column(tuple[Sample, ...])
RESERVE = Column(Reserve)
MANIFEST = Column(tuple[tuple[str, Digest], ...])
PLAN = Column(RoundPlan)
SIGNERS = Column(SampleSigners)  # type: ignore[type-abstract]
RESULT = Column(RoundResult)
CONTROLS = Column(tuple[ControlLoss, ...])
ANSWERS = Column(AnswerSignals)
ENVIRONMENT = Column(dict[str, str])
OUTCOME = Column(EntryOutcome)
OPINION = Column(Opinion)
WEIGHTS = Column(WeightsRecord)
BEGINNING = Column(Beginning)

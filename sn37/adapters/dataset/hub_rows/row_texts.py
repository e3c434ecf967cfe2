"""Conversion of a table's rows to samples."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

from sn37.adapters.dataset.hub_rows.parameters import Filter, HubRowsParameters
from sn37.adapters.dataset.kept_samples import Unfit, is_text
from sn37.adapters.dataset.parquet_cells import Cell, Kind
from sn37.domain.data.samples import Provenance, Sample


def wanted_columns(parameters: HubRowsParameters) -> Mapping[str, Kind]:
    """Return the columns that are read, and what they must contain."""
    texts = (parameters.text, parameters.prompt, parameters.response)
    columns = {column: Kind.ANY for column, _, _ in parameters.filters}
    columns |= {column: Kind.TEXT for column in texts if column}
    return columns | ({parameters.messages: Kind.MESSAGES} if parameters.messages else {})


def row_sample(row: Mapping[str, Cell], row_id: str, parameters: HubRowsParameters) -> Sample:
    """Return the sample in a row.

    Raises:
        Unfit: A filter does not hold, or the texts are missing, too short or too long.
    """
    for filter_ in parameters.filters:
        if not _holds(row[filter_[0]], filter_):
            raise Unfit(f"without {' '.join(map(str, filter_))}")
    if parameters.text:
        prompt, reference = "", _text(row[parameters.text])
    elif parameters.messages:
        prompt, reference = _turns(row[parameters.messages])
    else:
        prompt, reference = _text(row[parameters.prompt]), _text(row[parameters.response])
    length = len(prompt) + len(reference)
    if not parameters.min_characters <= length <= parameters.max_characters:
        raise Unfit("too short" if length < parameters.min_characters else "too long")
    return Sample(prompt=prompt, reference=reference, provenance=Provenance(row_id=row_id))


def _holds(cell: Cell, filter_: Filter) -> bool:
    """True if the cell is of the kind of the filter's value, and compares with it as it says."""
    _, operator, value = filter_
    sign = _sign(cell, value)
    return (
        sign is not None
        and {
            "==": sign == 0,
            "!=": sign != 0,
            "<=": sign <= 0,
            ">=": sign >= 0,
        }[operator]
    )


def _sign(cell: Cell, value: bool | int | float | str) -> int | None:
    """Return -1, 0 or 1 for a smaller, equal or larger cell; ``None`` if it has no order."""
    if isinstance(cell, bool) is not isinstance(value, bool):  # true is not the number 1
        return None
    if isinstance(cell, str) and isinstance(value, str):
        return (cell > value) - (cell < value)
    if isinstance(cell, (int, float)) and isinstance(value, (int, float)) and not isnan(cell):
        return (cell > value) - (cell < value)
    return None


def _turns(cell: Cell) -> tuple[str, str]:
    match cell:
        case [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]:
            return _text(question), _text(answer)
    raise Unfit("that are not one question and one answer")


def _text(cell: Cell) -> str:
    if not isinstance(cell, str) or not cell.strip() or not is_text(cell):
        raise Unfit("without text")
    return cell

"""JSON schemas of what is stored and published, pinned in tests/data/schemas.

``python -m tests.support.pinned_schemas`` writes them again; a test fails while they differ. A
changed schema of a column needs a migration, or records of older versions that are read as before.
A changed schema of a document needs a new version of the document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sn37.adapters.releases.document import ReleaseDocument
from sn37.adapters.sqlite import stored
from sn37.app.receipts.files import PublishedReceipt
from sn37.domain.records.statement import RoundStatement

FOLDER = Path(__file__).parents[1] / "data" / "schemas"
COLUMNS: Mapping[str, stored.Column[Any]] = {
    "submission.value": stored.SUBMISSION,
    "round.plan": stored.PLAN,
    "round.result": stored.RESULT,
    "pool.samples": stored.POOL,
    "draw.manifest": stored.MANIFEST,
    "draw.samples": stored.SAMPLES,
    "draw.reserve": stored.RESERVE,
    "journal.controls": stored.CONTROLS,
    "journal.answers": stored.ANSWERS,
    "environment.value": stored.ENVIRONMENT,
    "outcome.value": stored.OUTCOME,
    "opinion.value": stored.OPINION,
    "weights.value": stored.WEIGHTS,
    "beginning.value": stored.BEGINNING,
}


def schemas() -> Mapping[str, str]:
    """Return the files as they should be, by name."""
    found: dict[str, Any] = {name: column.schema() for name, column in COLUMNS.items()}
    found["document.statement"] = TypeAdapter(RoundStatement).json_schema()
    found["document.receipt"] = PublishedReceipt.model_json_schema()
    found["document.release"] = ReleaseDocument.model_json_schema()
    return {f"{name}.json": f"{_text(schema)}\n" for name, schema in found.items()}


def _text(schema: Any) -> str:
    return json.dumps(_bare(schema), indent=1, sort_keys=True)


def _bare(schema: Any) -> Any:
    """Return a schema without titles and descriptions, which come from names and docstrings."""
    if isinstance(schema, list):
        return [_bare(part) for part in schema]
    if isinstance(schema, dict):
        return {
            key: {name: _bare(part) for name, part in value.items()}
            if key == "properties"
            else _bare(value)
            for key, value in schema.items()
            if key not in ("title", "description")
        }
    return schema


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.json"):
        file.unlink()
    for name, text in schemas().items():
        (FOLDER / name).write_text(text, encoding="utf-8")

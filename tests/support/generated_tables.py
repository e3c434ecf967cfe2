"""The tables of documents that are the program's own.

``python -m tests.support.generated_tables`` writes them again; a test fails while they differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sn37.adapters.telemetry.metrics.metric_table import LABELS, Metric
from sn37.app.config.toml_tables import Table
from sn37.app.config.toml_writer import value_text
from sn37.app.doctor.topics import TOPICS
from sn37.app.schedule import competition_tables as of_competition
from sn37.app.schedule import tables as of_schedule
from sn37.app.tracking.keys import KEYS
from sn37.domain.canonical import as_json
from sn37.domain.reasons import Blame, Reason
from sn37.domain.schedule.methods import LossUnit, Method
from sn37.domain.scoring.worst_loss import worst_loss
from sn37.domain.submission.admission import AdmissionStep
from sn37.domain.submission.stages import SubmissionStage
from tests.support.monitoring import Alert, alerts

_DOCS = Path(__file__).parents[2] / "docs"
MINER, SCORING = _DOCS / "miner.md", _DOCS / "scoring.md"
SCHEDULES, WANDB = _DOCS / "schedules.md", _DOCS / "wandb.md"
MONITORING, DOCTOR = _DOCS / "monitoring.md", _DOCS / "doctor.md"
DOCUMENTS = (MINER, SCORING, SCHEDULES, WANDB, MONITORING, DOCTOR)
SCHEDULE_TABLES: Mapping[str, type[Table]] = {
    "keys of the file": of_schedule.ScheduleTable,
    "keys of timing": of_schedule.TimingTable,
    "keys of a source": of_schedule.SourceTable,
    "keys of a competition": of_competition.CompetitionTable,
    "keys of epsilon": of_competition.EpsilonTable,
    "keys of tokenizer": of_competition.TokenizerTable,
    "keys of base_model": of_competition.BaseModelTable,
    "keys of constraints": of_competition.ConstraintsTable,
    "keys of norms": of_competition.NormsTable,
    "keys of a task": of_competition.TaskTable,
    "keys of normalization": of_competition.NormalizationTable,
    "keys of a stage": of_schedule.StageTable,
}
_SIDES = {Blame.MINER: "yours", Blame.OURS: "the validator's", Blame.NOBODY: "nobody's"}
_UNITS = {
    LossUnit.TEXT: "nats per token, or bits per byte",
    LossUnit.GUESS: "1 is guessing",
    LossUnit.SHARE: "share",
}


def tables(document: Path) -> Mapping[str, Sequence[str]]:
    """The rows of each table of a document, by the name in its opening comment."""
    if document == SCORING:
        return {"methods": [_method(method) for method in Method]}
    if document == SCHEDULES:
        return {name: list(_keys(table)) for name, table in SCHEDULE_TABLES.items()}
    if document == MONITORING:
        return {
            "alerts": [_alert(alert) for alert in alerts()],
            "metrics": [_metric(metric) for metric in Metric],
            "labels": [f"| `{name}` | {values} |" for name, values in sorted(LABELS.items())],
        }
    if document == WANDB:
        return {"keys of a row": [f"| `{k.name}` | {k.reader.value} | {k.meaning} |" for k in KEYS]}
    if document == DOCTOR:
        return {
            "lines of the doctor": [
                f"| `{t.name}` | {t.networks} | {t.requires} | {t.otherwise} | {t.remedy} |"
                for t in TOPICS
            ]
        }
    return {
        "reasons": [
            f"| `{r.value}` | {_SIDES[r.blame]} | {r.meaning.removesuffix(f'; {r.remedy}')} "
            f"| {r.remedy} |"
            for r in Reason
        ],
        "statuses": [f"| `{s.value}` | {s.meaning} | {s.advice} |" for s in SubmissionStage],
        "checks": [f"| `{step.value}` | {step.what} |" for step in AdmissionStep],
    }


def _method(method: Method) -> str:
    traits = method.traits
    worst = dict.fromkeys(f"{worst_loss(method, prescribed=is_):g}" for is_ in (True, False))
    answers = (
        traits.has_controls,
        traits.has_floor,
        traits.is_screened,
        traits.is_learnable,
    )
    cells = [
        f"`{method.value}`",
        traits.loss,
        _UNITS[traits.unit],
        ", or ".join(worst),
        *("yes" if answer else "no" for answer in answers),
    ]
    return f"| {' | '.join(cells)} |"


def _alert(alert: Alert) -> str:
    """A row for an alert; values that it will have stand in capitals."""
    says = re.sub(r"{{ \$labels\.(\w+) }}", lambda m: m[1].upper(), alert.summary)
    says = re.sub(r"{{ \$value[^}]*}}", "N", says)
    return f"| `{alert.name}` | {alert.severity} | {says} | {alert.meaning} | {alert.action} |"


def _metric(metric: Metric) -> str:
    defined = metric.value
    labels = ", ".join(f"`{label}`" for label in defined.labels)
    return f"| `{defined.name}` | {defined.kind} | {labels} | {defined.help} |"


def _keys(table: type[Table]) -> Iterator[str]:
    """A row for each key of a table of a schedule: what it takes, its default, what it says."""
    schema = table.model_json_schema()
    for key, field in table.model_fields.items():
        if key == "kind":  # of epsilon, which files leave out
            continue
        takes = _takes(schema["properties"][key], schema.get("$defs", {}))
        default = (
            "needed"
            if field.is_required()
            else _default(field.get_default(call_default_factory=True))
        )
        yield f"| `{key}` | {takes} | {default} | {field.description} |"


def _default(value: object) -> str:
    if value is None or isinstance(value, Table) or value == {}:
        return ""
    return f"`{value_text(as_json(value))}`"


def _takes(field: Mapping[str, Any], defined: Mapping[str, Mapping[str, Any]]) -> str:
    choices = [c for c in field.get("anyOf", ()) if c.get("type") != "null"]
    if len(choices) > 1:
        return " or ".join(_takes(choice, defined) for choice in choices)
    field = {**field, **choices[0]} if choices else field
    if (name := str(field.get("$ref", "")).removeprefix("#/$defs/")) in defined:
        values = defined[name].get("enum")
        return ", ".join(f"`{value}`" for value in values) if values else "table"
    match field:
        case {"type": "array", "items": {"$ref": _}}:
            return "tables"
        case {"type": "array", "items": inner}:
            return f"list of {_takes(inner, defined)}s"
        case {"type": "object", "additionalProperties": {"$ref": _}}:
            return "tables with names"
    kinds = {"integer": "whole number", "number": "number", "string": "text", "object": "table"}
    bounds = [field.get("minimum"), field.get("maximum")]
    return (
        kinds[field["type"]]
        + {
            (False, False): "",
            (True, False): f" from {bounds[0]}",
            (True, True): f" {bounds[0]} to {bounds[1]}",
        }[bounds[0] is not None, bounds[1] is not None]
    )


def generated(document: Path, text: str) -> str:
    """The text of a document with its tables as they should be.

    Raises:
        ValueError: It has no place for one of them.
    """
    for name, rows in tables(document).items():
        place = re.search(rf"(?<=<!-- {name} -->\n)(.*\n.*\n)(?:\|.*\n)*(?=<!-- end -->)", text)
        if place is None:
            raise ValueError(f"no table between <!-- {name} --> and <!-- end -->")
        table = place[1] + "".join(f"{row}\n" for row in rows)
        text = text[: place.start()] + table + text[place.end() :]
    return text


if __name__ == "__main__":
    for each in DOCUMENTS:
        each.write_text(generated(each, each.read_text(encoding="utf-8")), encoding="utf-8")

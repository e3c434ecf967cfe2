"""Conversion of rows of subnet 1 to samples, for all origins."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from sn37.adapters.dataset.kept_samples import Unfit, is_text
from sn37.domain.data.multiple_choice import NotMultipleChoice, parse_multiple_choice
from sn37.domain.data.samples import Provenance, Sample
from sn37.domain.data.vetting import MAX_CHARACTERS

MULTI_CHOICE = "multi_choice"
_MAX_TOPIC_CHARS = 64


def row_sample(row: Mapping[str, object], origin: Provenance, *, tasks: Collection[str]) -> Sample:
    """Return the sample in a row; its stratum is the task and, if the row has one, the topic.

    The prompt of a multiple-choice question is the original question, without additions. Its
    options are stored apart, since the scorer draws how and in which order a model sees them.
    Other tasks keep their challenge and reference unchanged.

    Args:
        row: ``task``, ``challenge``, ``reference`` and perhaps ``topic``; of any type.
        origin: Of the row, without a stratum.
        tasks: The wanted tasks.

    Raises:
        Unfit: Another task, a cell of a wrong type, empty or too long, or no question in it.
    """
    task = row.get("task")
    if not isinstance(task, str) or task not in tasks:
        raise Unfit("of another task")
    challenge, reference = _text(row.get("challenge")), _text(row.get("reference"))
    if len(challenge) + len(reference) > MAX_CHARACTERS:
        raise Unfit("too long")
    provenance = replace(origin, stratum=_stratum(task, row.get("topic")))
    if task != MULTI_CHOICE:
        return Sample(prompt=challenge, reference=reference, provenance=provenance)
    try:
        found = parse_multiple_choice(challenge, reference)
    except NotMultipleChoice as error:
        raise Unfit(f"that are not multiple choice ({error.fault})") from error
    return Sample(
        prompt=found.question,
        reference=found.answer,
        provenance=provenance,
        choices=found.options,
    )


def _stratum(task: str, topic: object) -> str:
    """Return ``task/topic`` in lower case; a topic that is not a short text is left out."""
    if not isinstance(topic, str) or not is_text(topic):
        return task
    words = " ".join(topic.casefold().split())
    return f"{task}/{words}" if 0 < len(words) <= _MAX_TOPIC_CHARS else task


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not is_text(value):
        raise Unfit("without text")
    return value

"""Methods: how a task computes a loss from a sample, and what follows from it everywhere else.

The schedule, the scorer, its worker, training, the winner rule and docs/scoring.md read this one
table. It has a row for every method, so none can be scored as if it were another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Method(StrEnum):
    """Method by which a task computes one loss from a sample. Lower is better."""

    REFERENCE_LOSS = "reference_loss"
    TEXT_LOSS = "text_loss"
    MULTIPLE_CHOICE = "multiple_choice"
    CHOICE_TEXT = "choice_text"
    GENERATED_CHOICE = "generated_choice"
    INSTRUCTION_RULES = "instruction_rules"

    @property
    def traits(self) -> MethodTraits:
        """The method's row of the table."""
        return _TRAITS[self]


class GivenText(StrEnum):
    """The text of a sample whose loss a method computes."""

    RESPONSE = "response"  # given the prompt, under the chat template
    WHOLE = "whole"  # without a prompt and a template


class Options(StrEnum):
    """The possible answers to a question with several options."""

    LETTERS = "letters"  # the question has lettered options; each letter is a possible answer
    TEXTS = "texts"  # the question alone; each option's text is a possible answer


class LossUnit(StrEnum):
    """Unit of a method's losses."""

    TEXT = "text"  # nats per token with a prescribed tokenizer, else bits per byte of the text
    GUESS = "guess"  # the loss of guessing among the options is 1
    SHARE = "share"  # of what is wrong, from 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodTraits:
    """Answers to every question that the program has about a method. None has a default."""

    loss: str  # what the loss is, for documents
    unit: LossUnit
    given_text: GivenText | None  # whose loss it is; ``None``: it is not the loss of a given text
    options: Options | None  # of its questions; ``None``: its samples are not such questions
    is_screened: bool  # a base model's loss shows how unusual a row is
    has_controls: bool  # texts of known entropy are scored between its samples
    has_floor: bool  # a mean loss below the competition's floor is implausible
    is_learnable: bool  # a model can be trained on its samples
    is_generated: bool  # a sample is a prompt, and its loss follows from the model's answer
    is_right_or_wrong: bool  # models differ in few samples, and there by a whole one

    @property
    def is_choice(self) -> bool:
        """True if a sample is a question with options, of which one is right."""
        return self.options is not None


def complete(rows: Mapping[Method, MethodTraits]) -> Mapping[Method, MethodTraits]:
    """Return the table if it has a row for every method.

    Raises:
        LookupError: A method has no row.
    """
    if missing := [method.value for method in Method if method not in rows]:
        raise LookupError(f"the table of methods has no row for {', '.join(missing)}")
    return MappingProxyType(dict(rows))


_TRAITS = complete(
    {
        Method.REFERENCE_LOSS: MethodTraits(
            loss="-log p of the response, given the prompt",
            unit=LossUnit.TEXT,
            given_text=GivenText.RESPONSE,
            options=None,
            is_screened=True,
            has_controls=True,
            has_floor=True,
            is_learnable=True,
            is_generated=False,
            is_right_or_wrong=False,
        ),
        Method.TEXT_LOSS: MethodTraits(
            loss="-log p of the whole text",
            unit=LossUnit.TEXT,
            given_text=GivenText.WHOLE,
            options=None,
            is_screened=True,
            has_controls=True,
            has_floor=True,
            is_learnable=True,
            is_generated=False,
            is_right_or_wrong=False,
        ),
        Method.MULTIPLE_CHOICE: MethodTraits(
            loss="-log p of the right letter among the letters of the options",
            unit=LossUnit.GUESS,
            given_text=None,
            options=Options.LETTERS,
            is_screened=False,
            has_controls=False,
            has_floor=False,
            is_learnable=False,
            is_generated=False,
            is_right_or_wrong=False,
        ),
        Method.CHOICE_TEXT: MethodTraits(
            loss="-log p of the right option's text among all options, by nats per byte",
            unit=LossUnit.GUESS,
            given_text=None,
            options=Options.TEXTS,
            is_screened=False,
            has_controls=False,
            has_floor=False,
            is_learnable=False,
            is_generated=False,
            is_right_or_wrong=False,
        ),
        Method.GENERATED_CHOICE: MethodTraits(
            loss="0 if the letter that the answer names is the right one, else 1",
            unit=LossUnit.SHARE,
            given_text=None,
            options=Options.LETTERS,
            is_screened=False,
            has_controls=False,
            has_floor=False,
            is_learnable=False,
            is_generated=True,
            is_right_or_wrong=True,
        ),
        Method.INSTRUCTION_RULES: MethodTraits(
            loss="share of checkable instructions that are not followed",
            unit=LossUnit.SHARE,
            given_text=None,
            options=None,
            is_screened=False,
            has_controls=False,
            has_floor=False,
            is_learnable=False,
            is_generated=True,
            is_right_or_wrong=True,
        ),
    }
)

LEARNABLE_METHODS = frozenset(method for method in Method if method.traits.is_learnable)

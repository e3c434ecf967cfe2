"""Static sources whose samples are generated from the seed of a draw."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from sn37.dataset_plugin import Parameters, StaticPlugin
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Seed
from sn37.domain.schedule.methods import Method
from sn37.domain.tasks import arithmetic, brackets, instructions, list_reasoning, word_sorting
from sn37.domain.tasks.questions import Make, Question, draw_questions

if TYPE_CHECKING:
    from sn37.ports.dataset import DatasetPlugin, StaticDataset


class Generated:
    """A generator as a source."""

    def __init__(self, name: str, make: Make) -> None:
        self._name = name
        self._make = make

    async def draw(self, *, count: int, seed: Seed) -> tuple[Sample, ...]:
        """See the port. Questions never run out, and nothing is read."""
        return draw_questions(self._name, self._make, count=count, seed=seed)


class Difficulty(Parameters):
    """Parameters that come in pairs, ``least_x`` and ``most_x``; both ends count."""

    @model_validator(mode="after")
    def _ranges_are_not_empty(self) -> Difficulty:
        values = self.model_dump()
        for name in values:
            most = name.replace("least_", "most_")
            if values[name] > values[most]:
                raise ValueError(f"{name} is {values[name]}, above {most}, which is {values[most]}")
        return self


class WordSortingParameters(Difficulty):
    """Number of words to sort."""

    least_words: int = Field(default=6, ge=word_sorting.LEAST_WORDS, le=200)
    most_words: int = Field(default=30, ge=word_sorting.LEAST_WORDS, le=200)


class BracketParameters(Difficulty):
    """Number of brackets that are shown, and how many of them are to be closed."""

    least_brackets: int = Field(default=20, ge=brackets.LEAST_BRACKETS, le=1000)
    most_brackets: int = Field(default=80, ge=brackets.LEAST_BRACKETS, le=1000)
    least_open: int = Field(default=4, ge=brackets.LEAST_OPEN, le=20)
    most_open: int = Field(default=14, ge=brackets.LEAST_OPEN, le=20)


class ArithmeticParameters(Difficulty):
    """Count of the numbers in an expression."""

    least_numbers: int = Field(default=4, ge=arithmetic.LEAST_NUMBERS, le=100)
    most_numbers: int = Field(default=9, ge=arithmetic.LEAST_NUMBERS, le=100)


class ListReasoningParameters(Difficulty):
    """Length of the list at the beginning, and number of steps."""

    least_items: int = Field(default=6, ge=list_reasoning.LEAST_ITEMS, le=50)
    most_items: int = Field(default=14, ge=list_reasoning.LEAST_ITEMS, le=50)
    least_steps: int = Field(default=2, ge=1, le=30)
    most_steps: int = Field(default=7, ge=1, le=30)


class InstructionParameters(Difficulty):
    """Number of rules that an answer must follow."""

    least_rules: int = Field(default=3, ge=instructions.LEAST_RULES, le=10)
    most_rules: int = Field(default=7, ge=instructions.LEAST_RULES, le=10)


def word_sorting_plugin() -> DatasetPlugin:
    """Return the plug-in of the source ``word_sorting``."""
    return _plugin("word_sorting", WordSortingParameters, word_sorting.word_sorting)


def brackets_plugin() -> DatasetPlugin:
    """Return the plug-in of the source ``brackets``."""
    return _plugin("brackets", BracketParameters, brackets.bracket_completion)


def arithmetic_plugin() -> DatasetPlugin:
    """Return the plug-in of the source ``arithmetic``."""
    return _plugin("arithmetic", ArithmeticParameters, arithmetic.arithmetic)


def list_reasoning_plugin() -> DatasetPlugin:
    """Return the plug-in of the source ``list_reasoning``."""
    return _plugin("list_reasoning", ListReasoningParameters, list_reasoning.list_reasoning)


def if_eval_plugin() -> DatasetPlugin:
    """Return the plug-in of the source ``if_eval``."""
    return _plugin(
        "if_eval", InstructionParameters, instructions.instructions, Method.INSTRUCTION_RULES
    )


def _plugin(
    name: str,
    parameters: type[Parameters],
    make: Callable[..., tuple[Question, ...]],
    method: Method = Method.REFERENCE_LOSS,
) -> DatasetPlugin:
    def connect(given: Parameters) -> StaticDataset:
        return Generated(name, partial(make, **given.model_dump()))

    return StaticPlugin(name=name, parameters=parameters, connect=connect, method=method)

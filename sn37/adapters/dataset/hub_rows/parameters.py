"""Parameters of a table on Hugging Face in a schedule, and those of known sets."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from sn37.dataset_plugin import Parameters
from sn37.domain.data.vetting import MAX_CHARACTERS
from sn37.domain.ids import is_commit

_REPO = r"^[A-Za-z0-9_.-]{1,48}/[A-Za-z0-9_.-]{1,96}$"
_COLUMN = r"^[^.\x00-\x1f]{1,100}$"  # pyarrow addresses parts of columns by dots
_PERHAPS_COLUMN = r"^[^.\x00-\x1f]{0,100}$"

Operator = Literal["==", "!=", "<=", ">="]
Filter = tuple[str, Operator, bool | int | float | str]  # column, operator, value


class HubRowsParameters(Parameters):
    """Parameters of a table.

    The texts of a sample are in ``text``, in ``prompt`` and ``response``, or in ``messages``: one
    message of the role "user", then one of "assistant". These name columns.
    """

    repo: str = Field(pattern=_REPO)
    revision: str  # commit of the repository
    manifest: str = Field(pattern="^[0-9a-f]{64}$")  # what ``sn37 schedule pin`` computes
    # Paths in the repository, in which * stands for any text.
    files: tuple[str, ...] = Field(min_length=1, max_length=100)
    text: str = Field(default="", pattern=_PERHAPS_COLUMN)
    prompt: str = Field(default="", pattern=_PERHAPS_COLUMN)
    response: str = Field(default="", pattern=_PERHAPS_COLUMN)
    messages: str = Field(default="", pattern=_PERHAPS_COLUMN)
    # Rows that must hold, such as ["language", "==", "en"]; a missing cell never does.
    filters: tuple[Filter, ...] = Field(default=(), max_length=20)
    min_characters: int = Field(default=1, ge=1)  # of a row's texts together
    max_characters: int = Field(default=MAX_CHARACTERS, ge=1, le=MAX_CHARACTERS)
    endpoint: str = Field(default="", pattern=r"^(https?://[^\s/]+)?$")  # the client's if empty

    @field_validator("revision")
    @classmethod
    def _commit(cls, revision: str) -> str:
        if not is_commit(revision):
            raise ValueError(
                "not a commit of 40 hex digits; sn37 schedule pin writes today's into a schedule"
            )
        return revision

    @field_validator("filters")
    @classmethod
    def _plain_columns(cls, filters: tuple[Filter, ...]) -> tuple[Filter, ...]:
        for column, _, _ in filters:
            if not re.fullmatch(_COLUMN, column):
                raise ValueError(f"{column!r} is not the name of a column")
        return filters

    @model_validator(mode="after")
    def _of_one_form(self) -> HubRowsParameters:
        forms = (bool(self.text), bool(self.prompt or self.response), bool(self.messages))
        if sum(forms) != 1 or bool(self.prompt) != bool(self.response):
            raise ValueError(
                "name the columns of text, of prompt and response, or of messages: exactly one "
                "of the three forms"
            )
        return self


class FinewebParameters(HubRowsParameters):
    """Web pages of fineweb-edu-score-2; by default of one crawl."""

    repo: str = Field(default="HuggingFaceFW/fineweb-edu-score-2", pattern=_REPO)
    files: tuple[str, ...] = Field(
        default=("data/CC-MAIN-2024-10/*.parquet",), min_length=1, max_length=100
    )
    text: str = Field(default="text", pattern=_PERHAPS_COLUMN)


class Synthetic1Parameters(HubRowsParameters):
    """Problems and reasoned answers of SYNTHETIC-1-SFT."""

    repo: str = Field(default="PrimeIntellect/SYNTHETIC-1-SFT-Data", pattern=_REPO)
    files: tuple[str, ...] = Field(default=("data/train-*.parquet",), min_length=1, max_length=100)
    messages: str = Field(default="messages", pattern=_PERHAPS_COLUMN)


class CodeforcesParameters(HubRowsParameters):
    """Programming problems and reasoned solutions of codeforces-cots."""

    repo: str = Field(default="open-r1/codeforces-cots", pattern=_REPO)
    files: tuple[str, ...] = Field(
        default=("solutions/train-*.parquet",), min_length=1, max_length=100
    )
    prompt: str = Field(default="prompt", pattern=_PERHAPS_COLUMN)
    response: str = Field(default="generation", pattern=_PERHAPS_COLUMN)

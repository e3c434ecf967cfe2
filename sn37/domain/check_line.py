"""What a check of something outside found: a line with a grade, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"  # works, but should be known or changed
    FAILED = "failed"  # a validator cannot do its work like this


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of a check-up."""

    name: str
    grade: Grade
    detail: str
    remedy: str = ""  # what to do; empty when it is ok

    def __post_init__(self) -> None:
        if self.grade is Grade.OK and self.remedy:
            raise ValueError(f"{self.name} is ok, and yet: {self.remedy}")

    @property
    def line(self) -> str:
        """For people: the grade, what was found, and what to do."""
        said = f"{self.grade.value:<8} {self.name}: {self.detail}"
        return f"{said}; to fix it: {self.remedy}" if self.remedy else said

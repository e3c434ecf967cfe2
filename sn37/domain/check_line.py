"""Result of a check of something outside: a line with a grade and a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARNING = "warning"  # works, but the operator should know or change it
    FAILED = "failed"  # a validator cannot work with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of a check-up."""

    name: str
    grade: Grade
    detail: str
    remedy: str = ""  # what to do; empty when it is ok

    def __post_init__(self) -> None:
        if self.grade is Grade.OK and self.remedy:
            raise ValueError(f"{self.name} is ok and must not have a remedy: {self.remedy}")

    @property
    def line(self) -> str:
        """Return a line for people: the grade, the finding, and the remedy."""
        return f"{self.grade.value:<8} {self.finding}"

    @property
    def finding(self) -> str:
        """Return the line without the grade."""
        said = f"{self.name}: {self.detail}"
        return f"{said}; to fix it: {self.remedy}" if self.remedy else said

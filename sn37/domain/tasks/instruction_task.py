"""Rules of a question and an answer that follows them, as the text of a sample's reference."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sn37.domain.canonical import canonical_json
from sn37.domain.tasks.rules import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class InstructionTask:
    """The rules of a question, and an answer that follows them: a sample's reference.

    Raises:
        ValueError: There are no rules.
    """

    rules: tuple[Rule, ...]
    answer: str

    def __post_init__(self) -> None:
        if not self.rules:
            raise ValueError("a question without rules")

    def to_text(self) -> str:
        """Return canonical JSON, ``{"answer": ..., "rules": [[kind, number, texts], ...]}``."""
        rules = [rule.to_json() for rule in self.rules]
        return canonical_json({"answer": self.answer, "rules": rules}).decode()

    @classmethod
    def from_text(cls, text: str) -> InstructionTask:
        """Read what ``to_text`` returned.

        Raises:
            ValueError: The text is something else.
        """
        try:
            value = json.loads(text)
        except RecursionError as error:
            raise ValueError("arrays or objects that are too deep") from error
        match value:
            case {"answer": str(answer), "rules": list(rules), **others} if not others:
                return cls(rules=tuple(map(Rule.from_json, rules)), answer=answer)
            case _:
                raise ValueError("not the rules and the answer of a question")


def is_instruction_task(text: str) -> bool:
    """True if a reference is the rules of a question, and not a text."""
    try:
        InstructionTask.from_text(text)
    except ValueError:
        return False
    return True

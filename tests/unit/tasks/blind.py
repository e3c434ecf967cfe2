"""Texts that ignore the rules of their question: they know two nouns of it at most (attack 27)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product

from sn37.domain.data.samples import Sample
from sn37.domain.tasks.instruction_task import InstructionTask
from sn37.domain.tasks.rules import follows
from sn37.domain.tasks.scripts import NOUNS as FOREIGN_NOUNS
from sn37.domain.tasks.subjects import NOUNS
from sn37.domain.tasks.text_units import tokens
from sn37.domain.tasks.word_list import WORDS

Blind = Callable[[Sequence[str]], str]  # of two nouns
_KNOWN = frozenset(NOUNS).union(*FOREIGN_NOUNS.values())
# Words without the rare letters, which rules limit.
_WORDS = tuple(w for w in WORDS if not set(w) & set("kvbpygfw") and w not in NOUNS)


@lru_cache(maxsize=1024)
def nouns_in(prompt: str) -> tuple[str, str]:
    """Return the two nouns that a prompt names most often."""
    found = Counter(token for token in tokens(prompt) if token in _KNOWN)
    first, second, *_ = [*(noun for noun, _ in found.most_common(2)), "sun", "moon"]
    return first, second


def mean_loss(blind: Blind, samples: Sequence[Sample], tasks: Sequence[InstructionTask]) -> float:
    """Return the mean share of rules not followed, if no answer counted as canned."""
    losses = [
        sum(not follows(rule, answer) for rule in task.rules) / len(task.rules)
        for sample, task in zip(samples, tasks, strict=True)
        for answer in [blind(nouns_in(sample.prompt))]
    ]
    return sum(losses) / len(losses)


def rich_template(nouns: Sequence[str]) -> str:
    """Return a text with something of everything, which follows most rules that have one side."""
    a, b = nouns
    words = iter(_WORDS)

    def some(count: int) -> str:
        return " ".join(next(words) for _ in range(count))

    return "\n\n".join(
        (
            f"<<{some(1)}>>",
            f"{a} {b} {some(16)} [{some(1)}] NOTE {some(4)}. {a} {some(8)} {b}.",
            f"{a} *{some(1)}* {some(10)} *{some(2)}* HEAR {some(5)} [{some(1)}]. "
            f"{b} {a} {some(8)} *{some(1)}*.",
            "\n".join(f"- *{some(1)}* {some(4)} [{some(1)}]" for _ in range(5)),
            f"RAIN {a} {some(8)} STONE {b} {some(8)} TREE {some(6)}.",
        )
    )


def swapped(task: InstructionTask, own: Sequence[str], nouns: Sequence[str]) -> str:
    """Return the answer to another question with other nouns in the place of its own."""
    answer = task.answer
    for noun, other in zip(own, nouns, strict=True):
        answer = re.sub(rf"\b{noun}\b", other, answer, flags=re.IGNORECASE)
    return answer


@dataclass(frozen=True, kw_only=True)
class Template:
    """A text of some form."""

    num_words: int
    num_sentences: int
    num_paragraphs: int
    noun_count: int
    is_lower: bool
    is_rich: bool  # bullets, capitals, highlights, placeholders

    def __call__(self, nouns: Sequence[str]) -> str:
        """Return the text about the nouns."""
        words = [*list(nouns) * self.noun_count, *_WORDS[: self.num_words]][: self.num_words]
        if self.is_rich:
            words[-8:] = ["*ash*", "*ale*", "*ant*", "[art]", "[ace]", "NOTE", "STONE", "TREE"]
        size = max(len(words) // self.num_sentences, 1)
        parts = [words[at : at + size] for at in range(0, len(words), size)]
        lines = [f"{' '.join(part)}." for part in parts]
        count = self.num_paragraphs
        text = "\n\n".join(" ".join(lines[at::count]) for at in range(count))
        if self.is_rich:
            text = f"<<ash>>\n\n{text}\n- ale\n- ant\n- art\n- ace\n\nP.S. ash"
        return text.lower() if self.is_lower else text


def templates() -> Iterator[Template]:
    """Yield texts of many forms: short and long, plain and rich, with and without the nouns."""
    for num_words, num_sentences, nouns, is_lower, is_rich in product(
        (30, 70, 110), (5, 9), (0, 4), (False, True), (False, True)
    ):
        yield Template(
            num_words=num_words,
            num_sentences=num_sentences,
            num_paragraphs=3,
            noun_count=nouns,
            is_lower=is_lower,
            is_rich=is_rich,
        )


def every_word(nouns: Sequence[str]) -> str:
    """Return a text of all words of the list, with what rules of one side ask for."""
    marks = "*a b* *c* *d* *e* *f* [a] [b] [c] [d]\n- a\n- b\n- c\n- d"
    return f"<<ash>>\n\n{' '.join([*list(nouns) * 4, *WORDS])}. {marks}\n\nend".lower()


BLIND: dict[str, Blind] = {
    "the attack's template": rich_template,
    "the nouns alone": " and ".join,
    "shortest": lambda nouns: f"{nouns[0]}.",
    "longest": lambda nouns: f"{' '.join(nouns)} {' '.join(_WORDS)}.",
    "all words of the list": lambda nouns: f"{' '.join(nouns)} {'. '.join(WORDS)}.",
    "all words of the list and most forms": every_word,
    "all words but the nouns": lambda _: ". ".join(w for w in WORDS if w not in NOUNS),
    "most structured": Template(
        num_words=110,
        num_sentences=9,
        num_paragraphs=4,
        noun_count=4,
        is_lower=False,
        is_rich=True,
    ),
}


def references(samples: Sequence[Sample], tasks: Sequence[InstructionTask]) -> Iterator[Blind]:
    """Yield the answers of questions as texts for others, with their nouns swapped."""
    for sample, task in zip(samples, tasks, strict=True):
        yield partial(swapped, task, nouns_in(sample.prompt))

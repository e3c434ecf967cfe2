"""Questions that ask for a text that follows rules, which a program can check.

Two questions in a row have the same rules and different subjects, so one text cannot answer both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sn37.domain.tasks.answers import fault_of
from sn37.domain.tasks.chance import Chance
from sn37.domain.tasks.example_answers import example_answer
from sn37.domain.tasks.instruction_task import InstructionTask
from sn37.domain.tasks.questions import Question
from sn37.domain.tasks.rule_sets import KEYWORD, rule_set, window
from sn37.domain.tasks.rule_wording import worded
from sn37.domain.tasks.rules import Rule, RuleKind, follows
from sn37.domain.tasks.scripts import NOUNS as FOREIGN_NOUNS
from sn37.domain.tasks.scripts import Script
from sn37.domain.tasks.subjects import GENRES, NOUNS, READERS, with_article
from sn37.domain.tasks.word_list import WORDS

LEAST_RULES = 3  # one of the subject, two of the length

# Rules of the subject: other words and neither noun, or a noun so many times. A text that takes its
# nouns from the request follows about half of them. Where only one rule fits, it asks for words.
_SUBJECT_RULES = ((RuleKind.INCLUDES, RuleKind.EXCLUDES), KEYWORD)
_OTHER_WORDS = tuple(sorted(set(WORDS) - set(NOUNS)))

_REQUESTS = (
    "Write {genre} about {a} and {b} for {reader}.",
    "Please write {genre} for {reader}. It is about {a} and {b}.",
    "I need {genre} in which {a} and {b} matter. {Reader} will read it.",
    "For {reader}, compose {genre} about {a} and {b}.",
    "{A} and {b}: make {genre} of this for {reader}.",
    "Could you draft {genre} on the subject of {a} and {b}? It is meant for {reader}.",
    "{Reader} asked for {genre} about {a} and {b}. Write it.",
    "How would {genre} about {a} and {b} sound? Write one for {reader}.",
    "Think of {a} and {b}, and write {genre} about them for {reader}.",
    "Your task is {genre} for {reader} with {a} and {b} in it.",
    "Imagine {a} and {b}. Turn them into {genre} for {reader}.",
    "Make {reader} curious about {a} and {b} with {genre}.",
    "What could {genre} for {reader} say about {a} and {b}? Write it down.",
    "Let {a} and {b} meet in {genre} for {reader}.",
    "{A} and {b}: explain to {reader} what they have in common, in {genre}.",
    "Surprise {reader} with {genre} about {a} and {b}.",
    "We are looking for {genre} that connects {a} with {b}. Those who read it: {reader}.",
    "Yesterday {reader} talked about {a} and {b}. Answer with {genre}.",
    "An editor wants {genre} on {a} and {b}, written for {reader}.",
    "Give {reader} something to read: {genre} about {a} and {b}.",
)
_BEFORE_RULES = (
    "Follow these rules.",
    "There are some conditions.",
    "Please mind the following.",
    "It has to meet these requirements:",
    "A few things are important.",
    "The text is checked for this:",
    "Keep to what follows.",
    "Conditions:",
    "What I ask for:",
    "Things to keep in mind:",
    "Before you begin, read this.",
    "About the form:",
    "Restrictions apply.",
    "The form matters as much as the content.",
    "",
)
_BULLETS = ("- {rule}", "{number}. {rule}", "* {rule}", "({number}) {rule}", "{rule}")


def instructions(chance: Chance, *, least_rules: int, most_rules: int) -> tuple[Question, ...]:
    """Return two questions with the same rules, except for the words of their subjects.

    The number of rules is in the range, or smaller where few rules are compatible; with three it
    may be one more.
    """
    while True:
        count = chance.between(least_rules, most_rules)
        shared = rule_set(chance, count=count - chance.pick((1, 2, 2)))
        has_room = len(shared) + 2 <= count
        kinds = chance.pick(_SUBJECT_RULES) if has_room else (RuleKind.INCLUDES,)
        nouns, words = _nouns_and_words(chance, shared)
        bounds = window(chance, KEYWORD, (nouns[0],))
        first, second = (
            _question(
                chance,
                (*_of_subject(chance, kinds, own, added, bounds), *shared),
                own,
                avoided=(*nouns, *words),
            )
            for own, added in ((nouns[:2], words[:2]), (nouns[2:], words[2:]))
        )
        if first and second:
            return first, second


def _nouns_and_words(chance: Chance, rules: Sequence[Rule]) -> tuple[Sequence[str], Sequence[str]]:
    """Return four nouns for two subjects, and four words that have nothing to do with them."""
    scripts = [Script(rule.texts[0]) for rule in rules if rule.kind is RuleKind.SCRIPT]
    if scripts:
        drawn = chance.some(FOREIGN_NOUNS[scripts[0]], 8)
        return drawn[:4], drawn[4:]
    return chance.some(NOUNS, 4), chance.some(_OTHER_WORDS, 4)


def _of_subject(
    chance: Chance,
    kinds: Sequence[RuleKind],
    nouns: Sequence[str],
    words: Sequence[str],
    bounds: Sequence[Rule],
) -> tuple[Rule, ...]:
    if kinds == KEYWORD:
        return tuple(replace(rule, texts=(nouns[0],)) for rule in bounds)
    if RuleKind.EXCLUDES in kinds:
        return (
            Rule(kind=RuleKind.INCLUDES, texts=tuple(words)),
            Rule(kind=RuleKind.EXCLUDES, texts=tuple(nouns)),
        )
    return (Rule(kind=RuleKind.INCLUDES, texts=tuple(chance.shuffled([*nouns, *words]))),)


def _question(
    chance: Chance, rules: tuple[Rule, ...], nouns: Sequence[str], *, avoided: Sequence[str]
) -> Question | None:
    """Return a question about two nouns; ``None`` if no example answer follows its rules."""
    answer = example_answer(chance, rules, avoided)
    if fault_of(answer) or not all(follows(rule, answer) for rule in rules):
        return None
    request = _request(chance, nouns)
    return Question(
        problem=f"{request} {rules}",
        prompt=_prompt(chance, request, rules),
        reference=InstructionTask(rules=rules, answer=answer).to_text(),
    )


def _request(chance: Chance, nouns: Sequence[str]) -> str:
    a, b = (with_article(noun) if noun.isascii() else f'"{noun}"' for noun in nouns)
    reader = chance.pick(READERS)
    return chance.pick(_REQUESTS).format(
        a=a,
        b=b,
        A=f"{a[0].upper()}{a[1:]}",
        reader=reader,
        Reader=f"{reader[0].upper()}{reader[1:]}",
        genre=chance.pick(GENRES),
    )


def _prompt(chance: Chance, request: str, rules: Sequence[Rule]) -> str:
    """Return the request and the rules in random order, as a list or as one paragraph."""
    texts = chance.shuffled([worded(chance, rule) for rule in rules])
    before, bullet = chance.pick(_BEFORE_RULES), chance.pick(_BULLETS)
    between = chance.pick(("\n", "\n", " ")) if bullet == "{rule}" else "\n"
    listed = between.join(
        bullet.format(number=number, rule=text) for number, text in enumerate(texts, start=1)
    )
    if chance.below(3) == 0:  # the request comes last
        return "\n".join(part for part in (before, listed, request) if part)
    gap = chance.pick(("\n", "\n\n"))
    return gap.join(part for part in (f"{request} {before}".rstrip(), listed) if part)

"""Questions that ask to sort words.

Words are of lower-case letters a to z; the order is that of the alphabet or its reverse. Half of
the words, but at most 32, are chosen to begin with one of two letters, so that first letters do
not decide.
"""

from __future__ import annotations

from sn37.domain.tasks.chance import Chance
from sn37.domain.tasks.questions import Question
from sn37.domain.tasks.word_list import WORDS
from sn37.domain.tasks.wording import assemble

LEAST_WORDS = 5  # 853! / 848!, or 4e14 problems

_BY_LETTER = {
    letter: [word for word in WORDS if word[0] == letter]
    for letter in sorted({w[0] for w in WORDS})
}
_USUAL_LETTERS = [letter for letter, words in _BY_LETTER.items() if len(words) >= 20]
_TASKS = {
    False: (
        "Sort these words in alphabetical order.",
        "Put the words below into alphabetical order, from a to z.",
        "Arrange the following words alphabetically.",
        "Order the words as a dictionary would.",
        "In which order would a dictionary list these words?",
        "Rewrite the words in ascending alphabetical order.",
        "These words are in disorder; bring them into the order of the alphabet.",
        "List the words from the first to the last of the alphabet.",
    ),
    True: (
        "Sort these words in reverse alphabetical order.",
        "Put the words below into reverse alphabetical order, from z to a.",
        "Arrange the following words alphabetically, the last one first.",
        "Order the words as a dictionary would if it were read from its end.",
        "Rewrite the words in descending alphabetical order.",
        "List the words from the last to the first of the alphabet.",
        "Starting with the word nearest to z, sort these words down to the one nearest to a.",
        "Turn these words into a list that runs backwards through the alphabet.",
    ),
}
_FORMS = {
    " ": (
        "Answer with the sorted words, separated by single spaces.",
        "Write nothing but the words, with one space between them.",
        "Give only the words in their new order, with spaces and without commas.",
        "Reply with one line: the words and single spaces.",
    ),
    ", ": (
        "Answer with the sorted words, separated by commas.",
        "Write nothing but the words, with a comma and a space between them.",
        "Give only the words in their new order, as a list with commas.",
        "Reply with one line: the words, separated by commas.",
    ),
    "\n": (
        "Answer with the sorted words, one on each line.",
        "Write nothing but the words, each on a line of its own.",
        "Give only the words in their new order, one a line.",
        "Reply with a line for each word and nothing else.",
    ),
}


def word_sorting(chance: Chance, *, least_words: int, most_words: int) -> tuple[Question, ...]:
    """Return one question with ``least_words`` to ``most_words`` words."""
    words = _words(chance, chance.between(least_words, most_words))
    is_reverse = chance.below(4) == 0
    shown, wanted = chance.pick((" ", ", ", "\n")), chance.pick((" ", ", ", "\n"))
    prompt = assemble(
        chance,
        task=chance.pick(_TASKS[is_reverse]),
        data=shown.join(words),
        form=chance.pick(_FORMS[wanted]),
    )
    return (
        Question(
            problem=f"{is_reverse} {' '.join(words)}",
            prompt=prompt,
            reference=wanted.join(sorted(words, reverse=is_reverse)),
        ),
    )


def _words(chance: Chance, count: int) -> list[str]:
    first, second = chance.some(_USUAL_LETTERS, 2)
    alike = chance.some(_BY_LETTER[first] + _BY_LETTER[second], min(-(-count // 2), 32))
    taken = set(alike)
    others = [word for word in WORDS if word not in taken]
    return chance.shuffled(alike + chance.some(others, count - len(alike)))

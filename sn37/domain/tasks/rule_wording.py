"""How the rules of a question are worded: each kind in several ways."""

from __future__ import annotations

from collections.abc import Mapping

from sn37.domain.tasks.chance import Chance
from sn37.domain.tasks.rules import Rule, RuleKind
from sn37.domain.tasks.scripts import LANGUAGES, Script
from sn37.domain.tasks.wording import enumerated

K = RuleKind

# {n} is the number, {text} the texts.
_WORDINGS: Mapping[RuleKind, tuple[str, ...]] = {
    K.WORDS_AT_LEAST: (
        "Write at least {n} words.",
        "Use {n} words or more.",
        "The whole text must not be shorter than {n} words.",
        "Anything below {n} words is too short.",
    ),
    K.WORDS_AT_MOST: (
        "Write at most {n} words.",
        "Stay within {n} words.",
        "The text must not be longer than {n} words.",
        "There is room for {n} words and no more.",
    ),
    K.SENTENCES_AT_LEAST: (
        "Write at least {n} sentences.",
        "The text needs {n} sentences or more.",
        "Fewer than {n} sentences are not enough.",
    ),
    K.SENTENCES_AT_MOST: (
        "Write at most {n} sentences.",
        "Do not write more than {n} sentences.",
        "Keep it to {n} sentences or fewer.",
    ),
    K.PARAGRAPHS_AT_LEAST: (
        "Divide the text into at least {n} paragraphs, with a blank line between them.",
        "Write {n} paragraphs or more and leave a blank line after each.",
        "There must be {n} or more paragraphs; blank lines separate them.",
    ),
    K.PARAGRAPHS_AT_MOST: (
        "Do not write more than {n} paragraphs; a blank line begins a new one.",
        "Have at most {n} paragraphs, counted by the blank lines between them.",
        "The number of paragraphs, which blank lines separate, must not exceed {n}.",
    ),
    K.BULLETS_AT_LEAST: (
        'Include at least {n} bullet points, each on a line that begins with "- ".',
        'Make a list of {n} points or more somewhere; begin each of its lines with "* ".',
        'There must be {n} or more lines that begin with "- ", as bullet points do.',
    ),
    K.BULLETS_AT_MOST: (
        'Have at most {n} bullet points, which are lines that begin with "- " or "* ".',
        "Do not use more than {n} bullet points.",
        "The number of bullet points must not exceed {n}.",
    ),
    K.CAPITAL_WORDS_AT_LEAST: (
        "Write at least {n} words in capital letters only; each has two letters or more.",
        "Emphasize {n} or more words by writing all of their letters as capitals.",
        "At least {n} words of two or more letters must be in CAPITALS.",
    ),
    K.CAPITAL_WORDS_AT_MOST: (
        "Do not write more than {n} words of two or more letters in capitals only.",
        "Have at most {n} words in CAPITALS, not counting single letters.",
        "The number of words in capital letters must not exceed {n}.",
    ),
    K.PLACEHOLDERS_AT_LEAST: (
        "Leave at least {n} placeholders in square brackets, such as [name].",
        "Put {n} or more placeholders into the text, each in square brackets like [date].",
        "Somebody will fill in details later: mark {n} of them or more like [place].",
    ),
    K.HIGHLIGHTS_AT_LEAST: (
        "Highlight at least {n} passages by asterisks, *like this*.",
        "Set {n} or more passages between asterisks, for example *these words*.",
        "Mark at least {n} words or phrases with an *asterisk* on each side.",
    ),
    K.KEYWORD_AT_LEAST: (
        "Use the word {text} at least {n} times.",
        "The word {text} must occur {n} times or more.",
        "Mention {text}, in just this form, {n} times at least.",
    ),
    K.KEYWORD_AT_MOST: (
        "Use the word {text} at most {n} times.",
        "The word {text} must not occur more than {n} times.",
        "Write the word {text} no more often than {n} times.",
    ),
    K.LETTER_AT_LEAST: (
        "The letter {text} must occur at least {n} times, as a capital or not.",
        "Use the letter {text} {n} times or more.",
        "Among your letters there must be {n} or more of the letter {text}.",
    ),
    K.LETTER_AT_MOST: (
        "The letter {text} must not occur more than {n} times, as a capital or not.",
        "Use the letter {text} at most {n} times.",
        "The letter {text} may occur {n} times and no more.",
    ),
    K.INCLUDES: (
        "Use each of the words {text}.",
        "The words {text} must occur.",
        "Mention {text}, in just these forms.",
    ),
    K.EXCLUDES: (
        "Do not use the words {text}.",
        "Avoid each of the words {text}.",
        "None of the words {text} may occur.",
    ),
    K.SECTIONS: (
        'Divide the text into exactly {n} sections with the headings "{text} 1" and so on, each on '
        "a line of its own.",
        'Have {n} sections. Before each, on a line of its own, write "{text}" and its number, '
        "beginning with 1.",
        'Number exactly {n} sections: a line with "{text} 1" comes before the first, and so on.',
    ),
    K.UPPER_CASE: (
        "Write in capital letters only.",
        "All letters must be capitals.",
        "Do not use any lower-case letter.",
    ),
    K.LOWER_CASE: (
        "Write in lower-case letters only.",
        "All letters must be lower case, also at the beginning of sentences.",
        "Do not use any capital letter.",
    ),
    K.STARTS_WITH: (
        'Begin with exactly this: "{text}"',
        'Your first words must be "{text}" as it is written here.',
        'The answer must start with "{text}" and nothing may come before it.',
    ),
    K.ENDS_WITH: (
        'End with exactly this: "{text}"',
        'Your last words must be "{text}" as it is written here.',
        'The answer must end with "{text}" and nothing may come after it.',
    ),
    K.QUOTED: (
        "Put the whole answer between double quotation marks.",
        "Wrap all that you write in one pair of double quotation marks.",
        "The first and the last character of the answer must be double quotation marks.",
    ),
    K.JSON_KEYS: (
        "Answer with a JSON object alone. It has exactly the keys {text}, and a text for each.",
        "The answer must be valid JSON: one object with the keys {text} and texts as values.",
        "Write nothing but a JSON object whose keys are {text}; every value is a string.",
    ),
    K.TITLE: (
        "Give it a title on the first line, in double angle brackets: <<title>>.",
        "Begin with a line that holds a title like this: <<my title>>.",
        "The first line must be a title of your own between << and >>.",
    ),
    K.NO_COMMAS: (
        "Do not use commas.",
        "Write without any comma.",
        "There must not be a comma in the whole answer.",
    ),
    K.NO_DIGITS: (
        "Do not use digits; write numbers as words.",
        "There must not be a digit in the whole answer.",
        "Write without any of the digits 0 to 9.",
    ),
    K.SCRIPT: (
        "Answer in {language}, with letters of the {text} alphabet only.",
        "Write in {language}; every letter must be {text}.",
        "The language of the answer is {language}, and no letter of another script than {text} "
        "may occur.",
    ),
    K.POSTSCRIPT: (
        "Add a postscript: a last paragraph, after a blank line, that begins with P.S.",
        'After a blank line, close with a postscript that begins with "P.S.".',
        "The last paragraph must be a postscript and start with P.S.",
    ),
}


def worded(chance: Chance, rule: Rule) -> str:
    """Return a sentence that asks for the rule."""
    wording = chance.pick(_WORDINGS[rule.kind])
    if rule.kind is K.SCRIPT:
        script = Script(rule.texts[0])
        return wording.format(language=LANGUAGES[script], text=script)
    is_quoted = rule.kind not in (K.SECTIONS, K.STARTS_WITH, K.ENDS_WITH)
    texts = [f'"{text}"' if is_quoted else text for text in rule.texts]
    text = enumerated(texts) if texts else ""
    if rule.number == 1:
        return _singular(wording.format(n=1, text=text))
    return wording.format(n=rule.number, text=text)


def _singular(text: str) -> str:
    for plural in ("placeholders", "passages", "times"):
        text = text.replace(f" 1 {plural}", f" 1 {plural.removesuffix('s')}")
    return text

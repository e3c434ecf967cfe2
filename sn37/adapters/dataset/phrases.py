"""Search for phrases that disqualify a row, in one pass over a text.

Hyperscan searches for all phrases at once, many bytes at a time and in any case. It is several
times as fast as an Aho-Corasick automaton, which reads a text byte by byte and needs it in lower
case. Python's ``re`` with the phrases as alternatives is slower than a loop of ``in`` tests.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files

import hyperscan

from sn37.domain.known_facts import checked

LIST = "data/undesirable_phrases.txt"
MIN_CHARACTERS = 3  # nearly every text contains a shorter one
TYPOGRAPHIC_APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"


class PhraseError(ValueError):
    """A list of phrases that cannot be used; the message says in which line and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """Text that disqualifies a row."""

    text: str
    any_case: bool

    def is_in(self, text: str) -> bool:
        """True if ``text`` contains the phrase."""
        return self.text.casefold() in text.casefold() if self.any_case else self.text in text


class PhraseFilter:
    """Filter for texts that contain one of the phrases.

    Case is ignored by Unicode's rules (``str.casefold``): STRASSE equals Straße. Otherwise letters
    are compared as they are: a full-width G differs from G.
    """

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        spelled: dict[str, list[Phrase]] = {}
        for phrase in _spellings(phrases):
            spelled.setdefault(phrase.text.casefold(), []).append(phrase)
        self._spelled = tuple(spelled.values())
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=[_as_pattern(text) for text in spelled],
            ids=list(range(len(spelled))),
            elements=len(spelled),
            flags=[hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_SINGLEMATCH] * len(spelled),
        )
        self._work_space = _WorkSpace(self._database)

    @classmethod
    def load(cls) -> PhraseFilter:
        """Return the filter of the shipped list, the same for all validators."""
        return cls(shipped_phrases())

    def is_clean(self, text: str) -> bool:
        """True if ``text`` contains no phrase. Makes one pass."""
        return self.is_clean_utf8(text.encode(errors="surrogatepass"))

    def is_clean_utf8(self, raw: bytes) -> bool:
        """The same as ``is_clean`` for a text in UTF-8."""
        # Hyperscan folds ASCII letters itself. Folding works letter by letter, so a phrase in the
        # text is also in the folded text.
        folded = raw if raw.isascii() else _casefold(raw)
        try:
            self._database.scan(folded, self._disqualifies, 0, raw, self._work_space.scratch)
        except hyperscan.ScanTerminated:
            return False
        return True

    def _disqualifies(self, number: int, start: int, end: int, flags: int, raw: object) -> bool:
        """True if a phrase counts in the case in which it was found; this ends the search."""
        text = checked(raw, bytes, "the context of a search is its text")
        return any(p.any_case or p.text.encode() in text for p in self._spelled[number])


class _WorkSpace(threading.local):
    """Memory that Hyperscan writes to during a search; each thread needs its own."""

    def __init__(self, database: hyperscan.Database) -> None:  # in each thread, by Python
        self.scratch = hyperscan.Scratch(database)


def shipped_phrases() -> tuple[Phrase, ...]:
    """Return the list of phrases that ships with the package."""
    return parse_phrases((files("sn37.adapters.dataset") / LIST).read_text(encoding="utf-8"))


def parse_phrases(text: str) -> tuple[Phrase, ...]:
    """Parse a list of phrases; the first lines of the list describe its format.

    Raises:
        PhraseError: A line is not a phrase, or its phrase is redundant.
    """
    found: dict[int, Phrase] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not line.startswith("#"):
            found[number] = _phrase(number, line)
    if not found:
        raise PhraseError("the list of phrases is empty")
    for number, phrase in found.items():
        for other_number, other in found.items():
            covers = other.is_in(phrase.text)
            if number != other_number and covers and other.any_case >= phrase.any_case:
                raise PhraseError(
                    f"line {number}: every text with {phrase.text!r} also contains "
                    f"{other.text!r} of line {other_number}; remove one"
                )
    return tuple(found.values())


def _phrase(number: int, line: str) -> Phrase:
    casing, _, rest = line.partition(" ")
    if casing not in ("any", "exact"):
        raise PhraseError(f"line {number}: it begins with {casing!r}; begin with any, exact or #")
    text = rest.strip().replace("\\n", "\n")
    if "\0" in text:
        raise PhraseError(f"line {number}: it contains a NUL, which no text contains; remove it")
    if len(text) < MIN_CHARACTERS:
        raise PhraseError(
            f"line {number}: {text!r} would disqualify nearly every text; use at least "
            f"{MIN_CHARACTERS} characters"
        )
    return Phrase(text=text, any_case=casing == "any")


def _casefold(raw: bytes) -> bytes:
    return raw.decode(errors="surrogatepass").casefold().encode(errors="surrogatepass")


def _as_pattern(text: str) -> bytes:
    """Return a pattern of byte numbers, so that no character of the text has a special meaning."""
    return "".join(f"\\x{byte:02x}" for byte in text.encode()).encode()


def _spellings(phrases: Iterable[Phrase]) -> Iterator[Phrase]:
    for phrase in phrases:
        yield phrase
        if "'" in phrase.text:
            yield Phrase(
                text=phrase.text.replace("'", TYPOGRAPHIC_APOSTROPHE), any_case=phrase.any_case
            )

"""Subjects of the texts that instruction-following questions ask for."""

from __future__ import annotations

# Usual things that can be counted; written for this project, in the public domain (CC0 1.0).
_NOUNS = """
acorn airport album anchor apron arrow attic avenue axe bakery balcony balloon banjo barn basket
beach bell bench bicycle blanket boat bottle bridge broom bucket button cabin cactus camera camp
canal candle canoe carpet castle cave cellar chair chimney circus cliff clock cloud coin compass
cottage cradle crane creek crown cup curtain desert desk diary donkey door dragon drawer drum
elevator engine factory falcon farm feather fence ferry festival fiddle field flag flute forest
fountain fox garage garden gate glacier glove goose guitar hammer harbor harp hat hedge helmet hill
horse hotel igloo island jacket jar jewel journey kettle key kitchen kite ladder lake lamp lantern
library lighthouse lizard map marble market meadow medal meteor mirror monastery mountain museum
necklace needle nest notebook oasis ocean office onion orchard organ oven owl palace parade parcel
parrot pebble pencil piano picnic pillow pirate planet pocket pond postcard potato puppet puzzle
pyramid quarry quilt radio raft railway rainbow recipe ribbon river robot rocket roof rope saddle
sail sandal scarf school shadow shelf ship shovel signpost sled snail spider spoon stable stadium
staircase statue storm stove suitcase swan swing telescope temple tent theater thread throne ticket
tiger tower toy tractor train treasure tree trumpet tunnel turtle umbrella valley vase village
violin volcano wagon wallet walnut warehouse waterfall whale wheel whistle willow windmill window
wizard workshop yacht
"""
NOUNS: tuple[str, ...] = tuple(_NOUNS.split())
GENRES: tuple[str, ...] = (
    "a short story",
    "a letter",
    "a diary entry",
    "a speech",
    "a review",
    "a description",
    "a newspaper report",
    "an advertisement",
    "a travel guide",
    "a legend",
    "a lesson",
    "an email",
    "a blog post",
    "an explanation",
    "a monologue",
    "a fable",
    "a museum label",
    "a radio script",
    "a bedtime story",
    "an invitation",
)
READERS: tuple[str, ...] = (
    "a child",
    "an old friend",
    "a group of tourists",
    "your neighbors",
    "a new colleague",
    "somebody who is in a hurry",
    "a class of ten-year-olds",
    "the readers of a village newspaper",
    "an engineer",
    "a judge",
    "your grandmother",
    "a visitor from far away",
    "a sceptical customer",
    "the members of a club",
    "a poet",
    "a sailor",
    "a farmer",
    "someone who cannot sleep",
    "a committee",
    "tomorrow's students",
)


def with_article(noun: str) -> str:
    """Return a noun of the list with "a" or "an"."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"

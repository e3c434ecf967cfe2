"""Miners of simnet: the budget, trick and times of each, as data.

The shipped schedule (``simnet.toml``) names the tokenizer and the template below, and allows
models of the size below. Blocks are those of a chain whose head is ``HEAD`` when the
validator starts; its first round is at block 1,800.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from sn37.domain.canonical import canonical_digest
from sn37.domain.ids import Block, CompetitionId, Digest
from sn37.domain.reasons import Reason

INSTRUCT = CompetitionId(1)  # tokenizer and template are the competition's
FREE = CompetitionId(2)  # each model brings its own

TOKENIZER_REPO = "simnet/base"
# Chosen by hand, because the schedule names it before the tokenizer is trained.
TOKENIZER_REVISION = "9438e11778afbce33a5ae90343843a0cb1f41a8c"
BASE_REPO = "simnet/start"  # the model that all training starts from, by which rows are screened
BASE_REVISION = "5b1f0c6f3d0a4e7d9c2b8a71e64f30d2c95e8b17"  # likewise

TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>"
    "{% endfor %}"
)
FREE_TEMPLATE = (
    "{% for message in messages %}"
    "{{ 'Question: ' if message['role'] == 'user' else 'Answer: ' }}{{ message['content'] }}"
    "{{ '\\n' }}{% endfor %}"
)
# Ends after 1e25 iterations; each range is short enough for the template engine's own limit.
HANGING_TEMPLATE = (
    "".join(f"{{% for {name} in range(99999) %}}" for name in "abcde")
    + "{% endfor %}" * 5
    + FREE_TEMPLATE
)

BASE = "base"  # the model that all training starts from
HEAD = Block(1_740)
REGISTERED = Block(10)


class Trick(StrEnum):
    """Trick that a miner uses instead of training or in addition to it."""

    NONE = "none"
    COPY = "copy"  # commits a rival's text unchanged under its own hotkey
    RESHARD = "reshard"  # a rival's tensors in two shards
    EDIT = "edit"  # a rival's tensors beside an edited configuration
    RENAME = "rename"  # a rival's tensors in a file of another name
    NON_FINITE = "non_finite"  # one NaN among the weights
    HANG = "hang"  # a chat template that does not end
    PICKLE = "pickle"  # a pickled checkpoint beside the weights
    WIDEN = "widen"  # the same function with many times the parameters
    BRANCH = "branch"  # commits a branch name in place of a commit
    HIDE = "hide"  # never makes its repository public


@dataclass(frozen=True, slots=True, kw_only=True)
class Miner:
    """One miner of the population. ``name`` is its label, and the namespace of its repository.

    ``steps`` is the budget for training its own model if ``source`` is empty. Otherwise it is 0,
    and the model is made from that of ``source`` ("base" is the common start).
    """

    name: str
    competition: CompetitionId
    committed: Block
    steps: int = 0
    source: str = ""
    trick: Trick = Trick.NONE
    factor: int = 1  # of ``WIDEN``
    reveal: Block | None = None  # of a sealed commitment
    expected: Reason | None = None  # why it is not scored in the first round; None if it is

    @property
    def repo(self) -> str:
        return f"{self.name}/model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Common architecture, a Llama with tied embeddings."""

    vocabulary: int = 512
    hidden: int = 128
    intermediate: int = 352
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    positions: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Settings of all trainings: AdamW, warm-up of a tenth, then a cosine to a tenth."""

    base_steps: int = 30
    batch: int = 8
    tokens: int = 128  # longer samples are cut to their first tokens
    learning_rate: float = 4e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that determines the population's bytes, except the seed."""

    miners: tuple[Miner, ...]
    shape: Shape = Shape()
    training: Training = Training()

    def trained(self, competition: CompetitionId) -> tuple[Miner, ...]:
        """Return the miners of a competition that train, in their order."""
        return tuple(m for m in self.miners if m.competition == competition and m.steps)

    @property
    def competitions(self) -> tuple[CompetitionId, ...]:
        return tuple(sorted({m.competition for m in self.miners}))

    @property
    def fingerprint(self) -> Digest:
        """Hex sha256: a folder made by another recipe is not continued."""
        return canonical_digest(
            {
                "miners": [repr(miner) for miner in self.miners],
                "shape": asdict(self.shape),
                "training": asdict(self.training),
                "templates": [TEMPLATE, FREE_TEMPLATE, HANGING_TEMPLATE],
            }
        )


BUDGETS: Mapping[str, int] = MappingProxyType({"small": 10, "medium": 90, "large": 230})


# (name, committed, trick, source, why it is not scored in the first round)
_ATTACKERS = (
    ("copier", 260, Trick.COPY, "honest-large", Reason.COPIED_COMMITMENT),
    ("clone-a", 310, Trick.RESHARD, "honest-large", Reason.DUPLICATE),
    ("clone-b", 320, Trick.EDIT, "honest-large", Reason.DUPLICATE),
    ("clone-c", 330, Trick.RENAME, "honest-large", Reason.DUPLICATE),
    ("nan", 340, Trick.NON_FINITE, "honest-medium", Reason.NON_FINITE),
    ("pickle", 350, Trick.PICKLE, "honest-small", Reason.UNSAFE_FILE),
    ("oversized", 360, Trick.WIDEN, "honest-small", Reason.PARAMETERS),
    ("private", 370, Trick.HIDE, "honest-small", Reason.NOT_PUBLIC),
    ("hang", 380, Trick.HANG, BASE, Reason.TIMEOUT),
    ("branch", 390, Trick.BRANCH, "honest-small", Reason.MALFORMED_COMMITMENT),
)
# Only one competition lets models have their own template, and one unreadable text is enough.
_ONLY_IN = {Trick.HANG: FREE, Trick.BRANCH: INSTRUCT}


def _cast(competition: CompetitionId, budgets: Mapping[str, int]) -> tuple[Miner, ...]:
    def trained(name: str, committed: int, steps: int, reveal: int | None = None) -> Miner:
        return Miner(
            name=f"c{competition}-{name}",
            competition=competition,
            committed=Block(committed),
            steps=steps,
            reveal=None if reveal is None else Block(reveal),
        )

    early = trained("early", 1_700, max(1, budgets["small"] // 2))
    return (
        # In the first round the crown passes through these three, in this order.
        trained("honest-small", 110, budgets["small"]),
        trained("honest-medium", 150, budgets["medium"], reveal=200),
        trained("honest-large", 240, budgets["large"]),
        trained("honest-late", 300, budgets["small"] * 2),
        *_attackers(competition),
        replace(early, expected=Reason.TOO_EARLY),
    )


def _attackers(competition: CompetitionId) -> Iterator[Miner]:
    for name, committed, trick, source, expected in _ATTACKERS:
        if _ONLY_IN.get(trick, competition) != competition:
            continue
        miner = Miner(
            name=f"c{competition}-{name}",
            competition=competition,
            committed=Block(committed),
            source=source if source == BASE else f"c{competition}-{source}",
            trick=trick,
            expected=expected,
        )
        if trick is Trick.WIDEN and competition == INSTRUCT:
            miner = replace(miner, factor=4)
        elif trick is Trick.WIDEN:  # so wide that the files are too large
            miner = replace(miner, factor=16, expected=Reason.TOO_LARGE)
        yield miner


def recipe(
    budgets: Mapping[str, int] = BUDGETS,
    *,
    shape: Shape = Shape(),
    training: Training = Training(),
) -> Recipe:
    """Return the population for training budgets, in steps, by the name of the budget."""
    miners = _cast(INSTRUCT, budgets) + _cast(FREE, budgets)
    return Recipe(miners=miners, shape=shape, training=training)


RECIPE = recipe()

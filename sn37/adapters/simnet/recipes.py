"""Who takes part in simnet: every miner's budget, trick and timetable, as data.

The shipped schedule (``simnet.toml``) names the tokenizer and the template below, and allows
models of the size below. Blocks are those of a chain whose head is ``HEAD`` when the
validator first sees it; its first round is at block 1,800.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType

from sn37.domain.canonical import canonical_digest
from sn37.domain.ids import Block, CompetitionId, Digest
from sn37.domain.reasons import Reason

INSTRUCT = CompetitionId(1)  # tokenizer and template are the competition's
FREE = CompetitionId(2)  # each model brings its own

TOKENIZER_REPO = "simnet/base"
# Fixed by hand, because the schedule must name it before the tokenizer is trained.
TOKENIZER_REVISION = "9438e11778afbce33a5ae90343843a0cb1f41a8c"

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

HEAD = Block(1_740)
REGISTERED = Block(10)


class Trick(StrEnum):
    """What a miner does besides, or instead of, training."""

    NONE = "none"
    COPY = "copy"  # commits a rival's very text under its own hotkey
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

    ``steps`` is its training budget: of its own model if ``source`` is empty, otherwise 0 and
    the model is made from that miner's ("base" is the common start).
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
    """The common architecture, a Llama with tied embeddings."""

    vocabulary: int = 512
    hidden: int = 128
    intermediate: int = 352
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    positions: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How every budget is spent: AdamW, warm-up of a tenth, then a cosine to a tenth."""

    base_steps: int = 30
    batch: int = 8
    tokens: int = 128  # a sample's first ones; longer ones are cut
    learning_rate: float = 4e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything the population's bytes depend on besides the seed."""

    miners: tuple[Miner, ...]
    shape: Shape = Shape()
    training: Training = Training()

    def trained(self, competition: CompetitionId) -> tuple[Miner, ...]:
        """The competition's miners that train, in the order in which they do."""
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


BUDGETS: Mapping[str, int] = MappingProxyType({"small": 10, "medium": 90, "large": 260})


def _cast(competition: CompetitionId, budgets: Mapping[str, int]) -> tuple[Miner, ...]:
    tag = f"c{competition}"

    def miner(
        name: str,
        committed: int,
        *,
        steps: int = 0,
        source: str = "",
        trick: Trick = Trick.NONE,
        factor: int = 1,
        reveal: int | None = None,
        expected: Reason | None = None,
    ) -> Miner:
        return Miner(
            name=f"{tag}-{name}",
            competition=competition,
            committed=Block(committed),
            steps=steps,
            source=f"{tag}-{source}" if source and source != "base" else source,
            trick=trick,
            factor=factor,
            reveal=None if reveal is None else Block(reveal),
            expected=expected,
        )

    clone = Reason.DUPLICATE
    too_big = Reason.PARAMETERS if competition == INSTRUCT else Reason.TOO_LARGE
    cast = [
        # The crown moves upwards through these three in the first round.
        miner("honest-small", 110, steps=budgets["small"]),
        miner("honest-medium", 150, steps=budgets["medium"], reveal=200),
        miner("honest-large", 240, steps=budgets["large"]),
        miner("honest-late", 300, steps=budgets["small"] * 2),
        miner(
            "copier", 260, source="honest-large", trick=Trick.COPY,
            expected=Reason.COPIED_COMMITMENT,
        ),
        miner("clone-a", 310, source="honest-large", trick=Trick.RESHARD, expected=clone),
        miner("clone-b", 320, source="honest-large", trick=Trick.EDIT, expected=clone),
        miner("clone-c", 330, source="honest-large", trick=Trick.RENAME, expected=clone),
        miner(
            "nan", 340, source="honest-medium", trick=Trick.NON_FINITE,
            expected=Reason.NON_FINITE,
        ),
        miner(
            "pickle", 350, source="honest-small", trick=Trick.PICKLE, expected=Reason.UNSAFE_FILE
        ),
        miner(
            "oversized", 360, source="honest-small", trick=Trick.WIDEN,
            factor=4 if competition == INSTRUCT else 16, expected=too_big,
        ),
        miner(
            "private", 370, source="honest-small", trick=Trick.HIDE, expected=Reason.NOT_PUBLIC
        ),
        miner("early", 1_700, steps=budgets["small"] // 2, expected=Reason.TOO_EARLY),
    ]  # fmt: skip
    if competition == FREE:
        cast.append(miner("hang", 380, source="base", trick=Trick.HANG, expected=Reason.TIMEOUT))
    else:
        cast.append(
            miner(
                "branch", 390, source="honest-small", trick=Trick.BRANCH,
                expected=Reason.MALFORMED_COMMITMENT,
            )
        )  # fmt: skip
    return tuple(cast)


def recipe(
    budgets: Mapping[str, int] = BUDGETS,
    *,
    shape: Shape = Shape(),
    training: Training = Training(),
) -> Recipe:
    """The population with the given training budgets, in steps, by the name of the budget."""
    miners = _cast(INSTRUCT, budgets) + _cast(FREE, budgets)
    return Recipe(miners=miners, shape=shape, training=training)


RECIPE = recipe()

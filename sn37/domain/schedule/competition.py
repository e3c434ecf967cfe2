"""Rules of a competition: model limits, data, and the margin that a winner needs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sn37.domain.canonical import ADDED_LATER
from sn37.domain.ids import BLOCK_SECONDS, CompetitionId, Digest, TaskName, is_commit
from sn37.domain.schedule.broken_rule import BrokenRule
from sn37.domain.schedule.epsilon import Epsilon
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.schedule.normalization import Identity, Normalization

ParameterValue = bool | int | float | str | tuple["ParameterValue", ...]

_DIGEST = re.compile(r"[0-9a-f]{64}")

MIN_DEVIATIONS = 4.0
# Mean losses below these are implausible on text that a model has not seen. The best models have
# 0.5 bits per byte and more. With four bytes per token, 0.02 bits per byte are 0.055 nats.
FLOOR_BITS_PER_BYTE = 0.02
FLOOR_NATS_PER_TOKEN = 0.05

# Tokens of one generated answer. Longer ones would take hours to generate on a CPU.
MOST_NEW_TOKENS = 4096
MOST_STOP_TEXTS, LONGEST_STOP_TEXT = 16, 100


class Freshness(StrEnum):
    """Age of a source's rows relative to the models that are scored on them."""

    LIVE = "live"
    NONE = "none"  # static and generated sources; the later block hash makes them unpredictable


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A data source in a schedule.

    ``parameters`` go to the source. The fields other than these and ``name`` are for live sources.
    """

    name: str  # entry point of the group "sn37.datasets"
    freshness: Freshness
    max_age_s: int = 0  # age of the oldest row, in seconds of chain time before the sync block
    signers_netuid: int | None = None  # subnet whose validators sign the rows
    min_stake_tao: int = 0  # a signer needs more stake than this
    signer_share: float = 1.0  # largest share of a sample's rows that one signer may give
    min_signers: int = 0  # with fewer signers a round is postponed
    # Rows so far above the pool's median length or repetition are left out; None keeps all.
    max_deviations: float | None = None
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.freshness is Freshness.LIVE and self.max_age_s <= 0:
            raise BrokenRule(f"source {self.name}: a live source needs max_age_s > 0", "max_age_s")
        if self.freshness is Freshness.NONE and self.max_age_s:
            raise BrokenRule(
                f"source {self.name}: max_age_s is for live sources; remove it", "max_age_s"
            )
        if not 0 < self.signer_share <= 1:
            raise BrokenRule(
                f"source {self.name}: signer_share {self.signer_share} must be in (0, 1]",
                "signer_share",
            )
        if self.min_signers < 0:
            raise BrokenRule(
                f"source {self.name}: min_signers {self.min_signers} must not be negative",
                "min_signers",
            )
        if self.min_signers and self.signers_netuid is None:
            raise BrokenRule(
                f"source {self.name}: min_signers {self.min_signers} is for signed sources; "
                "set signers_netuid or remove min_signers",
                "min_signers",
            )
        if self.max_deviations is not None and self.max_deviations < MIN_DEVIATIONS:
            raise BrokenRule(
                f"source {self.name}: max_deviations {self.max_deviations:g} must be at least "
                f"{MIN_DEVIATIONS:g}, or ordinary rows would be left out",
                "max_deviations",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One part of a competition's score."""

    name: TaskName
    source: Source
    method: Method
    weight: float  # of the task in the score; a competition's weights sum to 1
    num_samples: int
    normalization: Normalization = field(default_factory=Identity)
    # The mean loss that counts as 1 in the score, for example the champion's at the start of the
    # stage. With levels, weights are shares of the score. None takes the normalisation's scale.
    level: float | None = None
    # The longest answer of a method whose answers are generated.
    max_new_tokens: int | None = field(default=None, metadata=ADDED_LATER)

    @property
    def unit(self) -> float:
        """The mean loss that counts as 1 on the linear scale of the score, > 0."""
        return self.normalization.scale if self.level is None else self.level

    def __post_init__(self) -> None:
        if self.level is not None and not (math.isfinite(self.level) and self.level > 0):
            raise BrokenRule(f"task {self.name}: level {self.level} must be positive", "level")
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise BrokenRule(f"task {self.name}: weight {self.weight} must be positive", "weight")
        if self.num_samples <= 0:
            raise BrokenRule(
                f"task {self.name}: num_samples {self.num_samples} must be positive", "num_samples"
            )
        self._check_generation()

    def _check_generation(self) -> None:
        most, is_generated = self.max_new_tokens, self.method.traits.is_generated
        if is_generated and (most is None or not 1 <= most <= MOST_NEW_TOKENS):
            raise BrokenRule(
                f"task {self.name}: {self.method} needs max_new_tokens, the tokens of the longest "
                f"answer, from 1 to {MOST_NEW_TOKENS}",
                "max_new_tokens",
            )
        if most is not None and not is_generated:
            raise BrokenRule(
                f"task {self.name}: max_new_tokens is for generated answers, and {self.method} "
                "has none; remove it",
                "max_new_tokens",
            )
        if self.method is Method.INSTRUCTION_RULES and self.num_samples % 2:
            raise BrokenRule(
                f"task {self.name}: num_samples {self.num_samples} must be even, because questions "
                "come in pairs with the same rules; a pair is judged together",
                "num_samples",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerRef:
    """A tokenizer that the competition prescribes, at a pinned revision."""

    repo: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModelRef:
    """A pinned model whose losses are used to find odd rows.

    With a ``reserve`` of 1, as many more rows are drawn as the sample has, and scored with this
    model. So even if all rows of two signers of nine are odd, others can replace them. With 0.5
    the rows of one signer can be replaced.
    """

    repo: str
    revision: str  # 40-hex git commit
    # Hex BLAKE3 over the tensors, as ``sn37 check`` shows it. None: the commit alone pins it.
    tensor_digest: Digest | None = None
    max_deviations: float = 6.0  # of a loss from the losses of the other signers' rows
    reserve: float = 1.0  # rows that may replace odd ones, as a share of the sample

    def __post_init__(self) -> None:
        if not is_commit(self.revision):
            raise BrokenRule(
                f"base_model: revision {self.revision!r} is not a commit; give its 40 hex digits",
                "base_model",
            )
        if self.tensor_digest is not None and not _DIGEST.fullmatch(self.tensor_digest):
            raise BrokenRule(
                f"base_model: tensor_digest {self.tensor_digest!r} is not 64 hex digits",
                "base_model",
            )
        if not MIN_DEVIATIONS <= self.max_deviations < math.inf:
            raise BrokenRule(
                f"base_model: max_deviations {self.max_deviations:g} must be at least "
                f"{MIN_DEVIATIONS:g}, or ordinary rows would be left out",
                "base_model",
            )
        if not 0 < self.reserve <= 1:
            raise BrokenRule(
                f"base_model: reserve {self.reserve:g} must be in (0, 1]", "base_model"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Competition:
    """The rules of one competition from some block on.

    With a prescribed ``tokenizer`` losses are nats per token. Without one each model
    uses its own, and losses are bits per byte of the text.
    """

    id: CompetitionId
    name: str
    reward_share: float  # of the subnet's emission; shares of one block sum to 1
    constraints: ModelConstraints
    tasks: tuple[Task, ...]
    delay_blocks: int  # a commitment is scored when it is at least this old
    epsilon: Epsilon
    timeout_s: float  # computing time to load and score one model; see ``deadlines``
    tokenizer: TokenizerRef | None = None
    template: str | None = None  # jinja chat template; None takes the model's own
    # A lower mean loss on a text task is implausible: with 0.02, a model at 0.019 is rejected.
    floor: float = FLOOR_BITS_PER_BYTE
    # Rows whose loss under this model is far from the others' are left out, see ``screening``.
    base_model: BaseModelRef | None = None
    # Texts that end a generated answer.
    stop: tuple[str, ...] = field(default=(), metadata=ADDED_LATER)

    def screens(self, task: Task) -> bool:
        """True if the base model screens the rows of a task.

        It screens signed rows only, because no signer can steer unsigned ones. It screens text
        losses only, because a wrong letter of a base model does not show that a question is odd.
        """
        return (
            self.base_model is not None
            and task.source.signers_netuid is not None
            and task.method.traits.is_screened
        )

    @property
    def answer_budgets(self) -> Mapping[TaskName, int]:
        """The most tokens of an answer, for each task whose answers are generated."""
        return {t.name: most for t in self.tasks if (most := t.max_new_tokens) is not None}

    def __post_init__(self) -> None:
        where = f"competition {self.id}"
        if not (math.isfinite(self.floor) and self.floor > 0):
            raise BrokenRule(f"{where}: floor {self.floor} must be positive", "floor")
        if not 0 < self.reward_share <= 1:
            raise BrokenRule(f"{where}: reward_share {self.reward_share} must be in (0, 1]")
        if not self.tasks:
            raise BrokenRule(f"{where}: no tasks", "tasks")
        names = [t.name for t in self.tasks]
        if len(set(names)) != len(names):
            raise BrokenRule(f"{where}: two tasks have the same name", "tasks")
        total = math.fsum(t.weight for t in self.tasks)
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise BrokenRule(f"{where}: task weights sum to {total:g}, not 1", "tasks")
        if not (math.isfinite(self.timeout_s) and self.timeout_s > 0):
            raise BrokenRule(f"{where}: timeout_s {self.timeout_s} must be positive", "timeout_s")
        self._check_freshness()
        self._check_base_model()
        self._check_answers()

    def _check_freshness(self) -> None:
        # Attack 15: data must be younger than every model that is scored on it.
        for task in self.tasks:
            if self.delay_blocks * BLOCK_SECONDS < task.source.max_age_s:
                raise BrokenRule(
                    f"competition {self.id}, task {task.name}: delay_blocks {self.delay_blocks} "
                    f"({self.delay_blocks * BLOCK_SECONDS} s) is shorter than max_age_s "
                    f"{task.source.max_age_s}",
                    "delay_blocks",
                )

    def _check_base_model(self) -> None:
        if self.base_model is None:
            return
        if not any(self.screens(task) for task in self.tasks):
            raise BrokenRule(
                f"competition {self.id}: base_model is for text tasks from a signed source, and "
                "there is none; remove base_model",
                "base_model",
            )

    def _check_answers(self) -> None:
        where = f"competition {self.id}"
        for task in self.tasks:
            if (task.max_new_tokens or 0) >= self.constraints.max_tokens:
                raise BrokenRule(
                    f"{where}, task {task.name}: max_new_tokens {task.max_new_tokens} leaves no "
                    f"room for a prompt within max_tokens {self.constraints.max_tokens}",
                    "max_new_tokens",
                )
        if self.stop and not any(task.method.traits.is_generated for task in self.tasks):
            raise BrokenRule(
                f"{where}: stop is for generated answers, and no task has them; remove stop", "stop"
            )
        if len(self.stop) > MOST_STOP_TEXTS:
            raise BrokenRule(
                f"{where}: {len(self.stop)} stop texts, at most {MOST_STOP_TEXTS} are allowed",
                "stop",
            )
        for text in self.stop:
            if not 0 < len(text) <= LONGEST_STOP_TEXT:
                raise BrokenRule(
                    f"{where}: a stop text has 1 to {LONGEST_STOP_TEXT} characters, "
                    f"not {len(text)}",
                    "stop",
                )

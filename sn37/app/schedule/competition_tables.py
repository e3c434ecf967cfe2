"""Tables of a competition in a schedule file: limits of models, tasks, margin, and the like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from sn37.app.config.toml_tables import Table
from sn37.domain.ids import CompetitionId, Digest, TaskName
from sn37.domain.schedule.broken_rule import BrokenRule
from sn37.domain.schedule.competition import (
    FLOOR_BITS_PER_BYTE,
    FLOOR_NATS_PER_TOKEN,
    BaseModelRef,
    Competition,
    Source,
    Task,
    TokenizerRef,
)
from sn37.domain.schedule.epsilon import Epsilon, FixedEpsilon, LinearEpsilon
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.mixture import BETWEEN, mixed
from sn37.domain.schedule.model_limits import ModelConstraints, NormLimits
from sn37.domain.schedule.normalization import Identity, InverseExponential, Normalization

MAX_SUMMARY = 300  # characters


def printable_name(name: str) -> str:
    """Return a name if it can be shown on a terminal."""
    if not name.isprintable():
        raise ValueError(f"the name {name!r} has a character that cannot be printed")
    return name


Name = Annotated[str, AfterValidator(printable_name)]


class NormalizationTable(Table):
    """How a task's mean loss becomes its score; without the table it is not changed."""

    ceiling: float = Field(
        description="mean loss from which the score is 1; below it 1 - exp(-loss / ceiling), scaled"
    )


class TaskTable(Table):
    """A task of a competition; there may be several."""

    name: Name = Field(description="name of the task, once in a competition")
    source: str | None = Field(default=None, description="name of the table of its source")
    mixture: dict[str, float] | None = Field(
        default=None, description="in place of source: names of several, with their weights"
    )
    method: Method = Field(strict=False, description="how a sample becomes a loss; see scoring.md")
    weight: float = Field(description="weight in the score; those of a competition sum to 1")
    num_samples: int = Field(description="samples in a round")
    normalization: NormalizationTable | None = Field(
        default=None, description="how the mean loss becomes a score"
    )
    level: float | dict[str, float] | None = Field(
        default=None,
        description="mean loss that counts as 1 in the score, or one for each source of a mixture",
    )
    max_new_tokens: int | None = Field(
        default=None, description="tokens of the longest answer, for methods that generate answers"
    )

    def value(self, sources: Mapping[str, Source]) -> tuple[Task, ...]:
        """Return the task, or the parts of a mixture.

        Raises:
            BrokenRule: It breaks a rule, or names a source that the file does not declare.
        """
        if BETWEEN in self.name:
            raise BrokenRule(
                f"task {self.name}: a name cannot contain {BETWEEN!r}, which stands between a "
                "mixture and its source",
                "name",
            )
        if self.mixture is None:
            if isinstance(self.level, dict):
                raise BrokenRule(
                    f"task {self.name}: several levels are for a mixture; give one number", "level"
                )
            if self.source is None:
                raise BrokenRule(
                    f"task {self.name}: name its source, or several as a mixture", "name"
                )
            return (self._task(self._declared(self.source, sources, "source")),)
        if self.source is not None:
            raise BrokenRule(
                f"task {self.name}: source and mixture exclude each other; remove one", "source"
            )
        return self._mixed(self.mixture, sources)

    def _mixed(
        self, mixture: Mapping[str, float], sources: Mapping[str, Source]
    ) -> tuple[Task, ...]:
        if len(mixture) < 2:
            found = f"names {next(iter(mixture))} alone" if mixture else "is empty"
            raise BrokenRule(
                f"task {self.name}: mixture {found}; name two sources or more with their weights, "
                "or one as source",
                "mixture",
            )
        parts = [
            (self._declared(name, sources, "mixture"), weight) for name, weight in mixture.items()
        ]
        levels = self.level if isinstance(self.level, dict) else None
        if levels is not None and set(levels) != set(mixture):
            raise BrokenRule(
                f"task {self.name}: levels of {', '.join(levels) or 'nothing'}, but the mixture is "
                f"of {', '.join(mixture)}; give each a level, or all the same one",
                "level",
            )
        return mixed(self._task(parts[0][0]), parts, levels)

    def _declared(self, name: str, sources: Mapping[str, Source], key: str) -> Source:
        if name in sources:
            return sources[name]
        declared = ", ".join(sorted(sources)) or "none"
        raise BrokenRule(
            f"task {self.name}: source {name!r} is not declared; declared: {declared}", key
        )

    def _task(self, source: Source) -> Task:
        normalization: Normalization = Identity()
        if self.normalization is not None:
            normalization = InverseExponential(self.normalization.ceiling)
        return Task(
            name=TaskName(self.name),
            source=source,
            method=self.method,
            weight=self.weight,
            num_samples=self.num_samples,
            normalization=normalization,
            level=None if isinstance(self.level, dict) else self.level,
            max_new_tokens=self.max_new_tokens,
        )


class NormsTable(Table):
    """Limits of a model's weights; a missing table has the defaults of all."""

    soft: float = Field(description="norm that few projections (matrices of layers) may exceed")
    soft_share: float = Field(description="share of the projections that may exceed it")
    hard: float = Field(description="norm that no projection may exceed")
    largest_matrix: float = Field(
        default=NormLimits().largest_matrix, description="largest number in a matrix"
    )
    largest_embedding: float = Field(
        default=NormLimits().largest_embedding,
        description="largest number in an embedding or output layer",
    )
    largest_scale: float = Field(
        default=NormLimits().largest_scale, description="largest number in a scale"
    )
    largest_bias: float = Field(
        default=NormLimits().largest_bias, description="largest number in a bias"
    )

    def value(self) -> NormLimits:
        return NormLimits(
            soft=self.soft,
            soft_share=self.soft_share,
            hard=self.hard,
            largest_matrix=self.largest_matrix,
            largest_embedding=self.largest_embedding,
            largest_scale=self.largest_scale,
            largest_bias=self.largest_bias,
        )


class ConstraintsTable(Table):
    """Limits of the models of a competition."""

    min_parameters: int = Field(default=0, description="fewest parameters of a model")
    max_parameters: int = Field(description="most parameters of a model")
    max_bytes: int = Field(description="most bytes of its files together")
    max_tokens: int = Field(description="most tokens of a sample; longer ones are cut")
    architectures: list[str] = Field(description="classes of models as in config.json")
    norms: NormsTable | None = Field(default=None, description="limits of the weights")

    def value(self) -> ModelConstraints:
        return ModelConstraints(
            min_parameters=self.min_parameters,
            max_parameters=self.max_parameters,
            max_bytes=self.max_bytes,
            max_tokens=self.max_tokens,
            architectures=frozenset(self.architectures),
            norms=NormLimits() if self.norms is None else self.norms.value(),
        )


class EpsilonTable(Table):
    """Margin by which a challenger must be better; a number, or one that falls."""

    kind: Literal["fixed", "linear"] = Field(description="linear; fixed if epsilon is a number")
    start: float = Field(
        description="margin against a champion that has just committed; 0.05 is 5 %"
    )
    stop: float = Field(description="margin after decay_blocks")
    decay_blocks: int = Field(
        description="blocks since the champion's commitment in which it falls"
    )

    @model_validator(mode="before")
    @classmethod
    def _a_number_is_fixed(cls, given: object) -> object:
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            return {"kind": "fixed", "start": given, "stop": given, "decay_blocks": 0}
        if isinstance(given, dict) and "kind" not in given:
            return {"kind": "linear", **given}
        return given

    def value(self) -> Epsilon:
        if self.kind == "fixed":
            return FixedEpsilon(self.start)
        return LinearEpsilon(start=self.start, stop=self.stop, decay_blocks=self.decay_blocks)


class TokenizerTable(Table):
    """A tokenizer that all models of the competition use; losses are then per token."""

    repo: str = Field(description="repository on the hub")
    revision: str = Field(description="its commit; sn37 schedule pin writes it")

    def value(self) -> TokenizerRef:
        return TokenizerRef(repo=self.repo, revision=self.revision)


class BaseModelTable(Table):
    """A model by whose losses odd rows are found."""

    repo: str = Field(description="repository on the hub")
    revision: str = Field(description="its commit")
    tensor_digest: str | None = Field(
        default=None, description="digest of its weights that sn37 check shows"
    )
    max_deviations: float = Field(
        default=6.0, description="rows whose loss lies further from the others are replaced"
    )
    reserve: float = Field(
        default=1.0, description="rows drawn to replace them, as a share of the sample"
    )

    def value(self) -> BaseModelRef:
        digest = None if self.tensor_digest is None else Digest(self.tensor_digest)
        return BaseModelRef(
            repo=self.repo,
            revision=self.revision,
            tensor_digest=digest,
            max_deviations=self.max_deviations,
            reserve=self.reserve,
        )


class CompetitionTable(Table):
    """A competition, by a name of its own for the stages."""

    id: int = Field(ge=0, le=99, description="number in miners' commitments, two digits")
    name: Name = Field(description="name for people")
    summary: str | None = Field(
        default=None,
        max_length=MAX_SUMMARY,
        description="a sentence for people, what such a model is good for; decides nothing",
    )
    constraints: ConstraintsTable = Field(description="limits of models")
    tasks: list[TaskTable] = Field(description="what models are scored on")
    delay_blocks: int = Field(
        ge=0, description="blocks between a commitment and the first round that may score it"
    )
    epsilon: EpsilonTable = Field(description="margin of a challenger: a number or a table")
    timeout_s: float = Field(description="seconds of computing for one model in a round")
    tokenizer: TokenizerTable | None = Field(
        default=None, description="prescribed tokenizer; without it models bring their own"
    )
    template: str | None = Field(
        default=None, description="prescribed chat template; without it models bring their own"
    )
    base_model: BaseModelTable | None = Field(
        default=None, description="model whose losses show odd rows"
    )
    stop: list[str] = Field(default_factory=list, description="texts that end a generated answer")
    floor: float | None = Field(
        default=None,
        description="a lower mean loss is implausible; 0.02 bits per byte, or 0.05 nats per token",
    )

    @field_validator("summary")
    @classmethod
    def _readable(cls, summary: str | None) -> str | None:
        if summary is not None and not (summary.strip() and summary.isprintable()):
            raise ValueError("expected a sentence on one line, of printable characters")
        return summary

    def value(self, share: float, sources: Mapping[str, Source]) -> Competition:
        names = [task.name for task in self.tasks]
        if len(set(names)) != len(names):
            raise BrokenRule(f"competition {self.id}: two tasks have the same name", "tasks")
        usual = FLOOR_BITS_PER_BYTE if self.tokenizer is None else FLOOR_NATS_PER_TOKEN
        return Competition(
            id=CompetitionId(self.id),
            name=self.name,
            reward_share=share,
            constraints=self.constraints.value(),
            tasks=tuple(part for task in self.tasks for part in task.value(sources)),
            delay_blocks=self.delay_blocks,
            epsilon=self.epsilon.value(),
            timeout_s=self.timeout_s,
            tokenizer=self.tokenizer.value() if self.tokenizer else None,
            template=self.template,
            base_model=self.base_model.value() if self.base_model else None,
            floor=usual if self.floor is None else self.floor,
            stop=tuple(self.stop),
        )

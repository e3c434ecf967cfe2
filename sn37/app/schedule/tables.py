"""Tables of a schedule file, checked by pydantic and turned into domain values."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from pydantic import Field, field_validator, model_validator

from sn37.app.config.number_limits import MAX_BLOCK
from sn37.app.config.toml_tables import Table
from sn37.domain.ids import Block, CompetitionId, Digest, Hotkey, Netuid, TaskName
from sn37.domain.schedule.broken_rule import BrokenRule
from sn37.domain.schedule.competition import (
    FLOOR_BITS_PER_BYTE,
    FLOOR_NATS_PER_TOKEN,
    BaseModelRef,
    Competition,
    Freshness,
    ParameterValue,
    Source,
    Task,
    TokenizerRef,
)
from sn37.domain.schedule.epsilon import Epsilon, FixedEpsilon, LinearEpsilon
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.mixture import BETWEEN, mixed
from sn37.domain.schedule.model_limits import ModelConstraints, NormLimits
from sn37.domain.schedule.normalization import Identity, InverseExponential, Normalization
from sn37.domain.schedule.schedule import (
    GENESIS,
    CommitmentFormat,
    RoundTiming,
    Schedule,
    Stage,
    StandingsRule,
)


class TimingTable(Table):
    genesis: int = GENESIS
    cadence: int = 360
    settle: int = 75
    freeze_lead: int = 50
    files_grace: int = 100

    def value(self) -> RoundTiming:
        return RoundTiming(
            genesis=Block(self.genesis),
            cadence=self.cadence,
            settle=self.settle,
            freeze_lead=self.freeze_lead,
            files_grace=self.files_grace,
        )


class SourceTable(Table):
    freshness: Freshness = Field(strict=False)
    max_age_s: int = 0
    signers_netuid: int | None = Field(default=None, ge=0, le=65535)
    min_stake_tao: int = Field(default=0, ge=0)
    signer_share: float = 1.0
    min_signers: int = 0
    max_deviations: float | None = None
    parameters: dict[str, object] = Field(default_factory=dict)

    @field_validator("parameters")
    @classmethod
    def _plain(cls, parameters: dict[str, object]) -> dict[str, object]:
        return {key: parameter(key, value) for key, value in parameters.items()}

    def value(self, name: str) -> Source:
        parameters = {key: parameter(key, value) for key, value in self.parameters.items()}
        return Source(
            name=name,
            freshness=self.freshness,
            max_age_s=self.max_age_s,
            signers_netuid=self.signers_netuid,
            min_stake_tao=self.min_stake_tao,
            signer_share=self.signer_share,
            min_signers=self.min_signers,
            max_deviations=self.max_deviations,
            parameters=MappingProxyType(parameters),
        )


class NormalizationTable(Table):
    """Inverse exponential; without the table a raw score is not changed."""

    ceiling: float


class TaskTable(Table):
    """A task; ``source`` names where its samples come from, ``mixture`` several with weights."""

    name: str
    source: str | None = None
    mixture: dict[str, float] | None = None
    method: Method = Field(strict=False)
    weight: float
    num_samples: int
    normalization: NormalizationTable | None = None
    # A mean loss that counts as 1 in the score; a mixture may have one for each source.
    level: float | dict[str, float] | None = None

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
        )


class NormsTable(Table):
    """Limits of weights; a missing table or ``largest_`` key has the domain's default."""

    soft: float
    soft_share: float
    hard: float
    largest_matrix: float = NormLimits().largest_matrix
    largest_embedding: float = NormLimits().largest_embedding
    largest_scale: float = NormLimits().largest_scale
    largest_bias: float = NormLimits().largest_bias

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
    min_parameters: int = 0
    max_parameters: int
    max_bytes: int
    max_tokens: int
    architectures: list[str]
    norms: NormsTable | None = None

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
    """``epsilon = 0.01``, or a table with ``start``, ``stop`` and ``decay_blocks``."""

    kind: Literal["fixed", "linear"]
    start: float
    stop: float
    decay_blocks: int

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
    repo: str
    revision: str

    def value(self) -> TokenizerRef:
        return TokenizerRef(repo=self.repo, revision=self.revision)


class BaseModelTable(Table):
    repo: str
    revision: str
    tensor_digest: str | None = None
    max_deviations: float = 6.0
    reserve: float = 1.0

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
    id: int = Field(ge=0, le=99)  # two digits in a commitment's text
    name: str
    constraints: ConstraintsTable
    tasks: list[TaskTable]
    delay_blocks: int = Field(ge=0)
    epsilon: EpsilonTable
    timeout_s: float
    tokenizer: TokenizerTable | None = None
    template: str | None = None
    base_model: BaseModelTable | None = None  # whose losses show odd rows
    floor: float | None = (
        None  # bits per byte, or nats per token with a tokenizer; None: the default
    )

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
        )


class StageTable(Table):
    from_block: int = Field(ge=0, le=MAX_BLOCK)
    shares: dict[str, float]  # of the subnet's emission, by the competition's table name

    def value(
        self, competitions: Mapping[str, CompetitionTable], sources: Mapping[str, Source]
    ) -> Stage:
        return Stage(
            from_block=Block(self.from_block),
            competitions=tuple(
                competitions[name].value(share, sources) for name, share in self.shares.items()
            ),
        )


class ScheduleTable(Table):
    netuid: int = Field(default=37, ge=0, le=65535)
    max_new_entries: int = 20
    warmup_rounds: int = 8
    burn: str | None = None
    standings: StandingsRule = Field(default=StandingsRule.WINDOW, strict=False)
    commitment_format: CommitmentFormat = Field(default=CommitmentFormat.V2, strict=False)
    timing: TimingTable = Field(default_factory=TimingTable)
    sources: dict[str, SourceTable]
    competitions: dict[str, CompetitionTable]
    stages: list[StageTable]

    def value(self, stages: tuple[Stage, ...]) -> Schedule:
        return Schedule(
            netuid=Netuid(self.netuid),
            stages=stages,
            timing=self.timing.value(),
            max_new_entries=self.max_new_entries,
            warmup_rounds=self.warmup_rounds,
            burn=Hotkey(self.burn) if self.burn is not None else None,
            standings=self.standings,
            commitment_format=self.commitment_format,
        )


def parameter(key: str, value: object) -> ParameterValue:
    """Return a TOML value as a parameter of a source.

    Raises:
        ValueError: The value is a table or a time.
    """
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(parameter(key, element) for element in value)
    raise ValueError(f"parameter {key!r} must be text, a number, true, false or a list of them")

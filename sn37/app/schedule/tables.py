"""Tables of a whole schedule file, checked by pydantic and turned into domain values."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import Field, field_validator

from sn37.app.config.number_limits import MAX_BLOCK
from sn37.app.config.toml_tables import Table
from sn37.app.schedule.competition_tables import CompetitionTable, printable_name
from sn37.domain.address import is_address
from sn37.domain.ids import Block, Hotkey, Netuid
from sn37.domain.schedule.competition import Freshness, ParameterValue, Source
from sn37.domain.schedule.schedule import (
    GENESIS,
    CommitmentFormat,
    RoundTiming,
    Schedule,
    Stage,
    StandingsRule,
)


class TimingTable(Table):
    """When the steps of a round happen, in blocks of 12 seconds."""

    genesis: int = Field(default=GENESIS, description="block from which rounds are counted")
    cadence: int = Field(default=360, description="blocks from one round to the next")
    settle: int = Field(default=75, description="age of the youngest row at the sync block")
    freeze_lead: int = Field(
        default=50, description="blocks before the sync block in which live sources are read"
    )
    files_grace: int = Field(
        default=100, description="blocks after the sync block until which models may arrive"
    )

    def value(self) -> RoundTiming:
        return RoundTiming(
            genesis=Block(self.genesis),
            cadence=self.cadence,
            settle=self.settle,
            freeze_lead=self.freeze_lead,
            files_grace=self.files_grace,
        )


class SourceTable(Table):
    """A data source, by the name of its plug-in."""

    freshness: Freshness = Field(
        strict=False, description="live: its rows are younger than the models; none: they are not"
    )
    max_age_s: int = Field(
        default=0,
        description="age of the oldest row in seconds; of live sources, at most the delay",
    )
    signers_netuid: int | None = Field(
        default=None, ge=0, le=65535, description="subnet whose validators sign the rows"
    )
    min_stake_tao: int = Field(default=0, ge=0, description="a signer needs more stake than this")
    signer_share: float = Field(
        default=1.0, description="largest part of a sample that one signer may give"
    )
    min_signers: int = Field(
        default=0, description="with fewer signers a round of the competition is sat out"
    )
    max_deviations: float | None = Field(
        default=None,
        description="rows further from the others in length or repetition are left out",
    )
    parameters: dict[str, object] = Field(
        default_factory=dict, description="what the plug-in takes; see datasets.md"
    )

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


class StageTable(Table):
    """The competitions from a block on, until the next stage."""

    from_block: int = Field(ge=0, le=MAX_BLOCK, description="first block of the stage")
    shares: dict[str, float] = Field(
        description="parts of the emission by the names of competition tables; they sum to 1"
    )

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
    """The whole file."""

    netuid: int = Field(default=37, ge=0, le=65535, description="number of the subnet")
    max_new_entries: int = Field(
        default=20, description="new models scored in a round, besides those already in it"
    )
    warmup_rounds: int = Field(
        default=8, description="rounds that a validator judges before it sets weights"
    )
    burn: str | None = Field(
        default=None, description="hotkey that gets the share of a competition without standings"
    )
    standings: StandingsRule = Field(
        default=StandingsRule.WINDOW,
        strict=False,
        description="how crowns become shares: window, or moving_average in a transition",
    )
    commitment_format: CommitmentFormat = Field(
        default=CommitmentFormat.V2,
        strict=False,
        description="what miners write on chain: v1 or v2",
    )
    timing: TimingTable = Field(default_factory=TimingTable, description="timing of rounds")
    sources: dict[str, SourceTable] = Field(description="data sources, by plug-in")
    competitions: dict[str, CompetitionTable] = Field(description="competitions, by any name")
    stages: list[StageTable] = Field(description="which competitions run from which block on")

    @field_validator("sources", "competitions")
    @classmethod
    def _printable(cls, tables: dict[str, Table]) -> dict[str, Table]:
        for name in tables:
            printable_name(name)
        return tables

    @field_validator("burn")
    @classmethod
    def _burn_is_a_hotkey(cls, burn: str | None) -> str | None:
        if burn is not None and not is_address(burn):
            raise ValueError(
                f"expected the SS58 address of a hotkey, such as 5F..., not {burn!r:.60}; "
                "copy it again, its length or checksum is wrong"
            )
        return burn

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

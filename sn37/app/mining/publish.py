"""Publication of a miner's model, from a folder to a public repository, with all checks."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sn37.app.config.path_checks import require_writable
from sn37.app.errors import CommandError, UsageError
from sn37.app.mining.admission_check import Request, Status, run_check
from sn37.app.mining.champions import champions
from sn37.app.mining.commitment_note import Waiting
from sn37.app.mining.connections import MinerConnection
from sn37.app.mining.miner_tools import MinerTools
from sn37.app.mining.publish_steps import (
    UNKNOWN_HASHES,
    Preview,
    Publication,
    Published,
    Publishing,
)
from sn37.app.mining.replacing import warning
from sn37.app.schedule.load import LoadedSchedule
from sn37.app.schedule.lookup import competition_of, rules_of_network, running_competition
from sn37.domain.ids import BlockRef, EntryKey, Hotkey, RoundKey
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.admission import AdmissionStep
from sn37.domain.submission.commitment import CommitmentQuote, is_repository
from sn37.domain.submission.digests import ModelHashes
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.errors import CommitmentRefused

NOTES = "publishing"  # folder of the state directory with notes on commitments under way
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishRequest:
    """Model to publish, and options."""

    folder: Path
    repo: str
    competition: int
    sealed_for: timedelta | None = None  # until the commitment opens; ``None``: not sealed
    replace: bool = False  # accept the loss of what the new commitment replaces
    dry_run: bool = False
    loading: bool = True  # load the model and score a few samples first
    tokenizer: Path | None = None  # folder of the competition's; ``None``: download it
    wait: bool = True  # until a seal opens


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishReport:
    """Results of the checks, and of the publication."""

    hotkey: Hotkey
    rules: Competition
    artifact: ModelArtifact
    preview: Preview
    published: Published | None = None  # ``None`` after a dry run


async def publish(
    tools: MinerTools, request: PublishRequest, *, tell: Tell, waiting: Waiting
) -> PublishReport:
    """Check, upload privately, commit, read back, make public. Repeating it continues.

    Args:
        tell: Called with a line about each step.
        waiting: Called at every block while it waits for the chain's rate limit or a seal.

    Raises:
        UsageError: ``repo`` is not a repository's name.
        CommandError: Refused by these checks; says why and what to do.
        ModelRejected, PublishRefused, CommitmentRefused: Refused by a validator's rules, the
            host or the chain.
        Unavailable: The same command continues where this stopped.
    """
    if not is_repository(request.repo):
        raise UsageError(
            f"--repo {request.repo}: expected NAMESPACE/NAME with letters, digits, -, _ and ."
        )
    loaded = rules_of_network(tools.settings)
    competition_of(loaded, request.competition)
    if not request.dry_run:
        require_writable(tools.settings.state_dir / NOTES)  # before hours of uploading
    async with tools.writing() as connection:
        plan = await _planned(tools, connection, loaded, request, tell, waiting)
        tell(f"checking {request.folder} for competition {plan.rules.id} ({plan.rules.name})")
        artifact, hashes = await _checked(tools, request, plan.rules)
        preview = await plan.preview(hashes)
        published = None
        if not request.dry_run:
            _require_permission(preview, request)
            tell(f"uploading {artifact.size_bytes:,} bytes to {request.repo}, private")
            published = await _carry_out(plan, request)
        return PublishReport(
            hotkey=connection.hotkey,
            rules=plan.rules,
            artifact=artifact,
            preview=preview,
            published=published,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Model to publish, and the connection to chain and host."""

    rules: Competition
    wanted: Publication
    publishing: Publishing
    crowns: Collection[tuple[RoundKey, EntryKey]]

    async def preview(self, hashes: ModelHashes) -> Preview:
        return await self.publishing.preview(self.wanted, hashes=hashes, crowns=self.crowns)


async def _planned(
    tools: MinerTools,
    connection: MinerConnection,
    loaded: LoadedSchedule,
    request: PublishRequest,
    tell: Tell,
    waiting: Waiting,
) -> _Plan:
    """Ask the chain first: it refuses within a second, and the checks take minutes."""
    chain, schedule, state = connection.read.chain, loaded.schedule, tools.state()
    head = await chain.head()
    rules = running_competition(loaded, request.competition, head.number, tools.settings)
    crowned = await champions(chain, schedule, state)
    plan = _Plan(
        rules=rules,
        wanted=await _publication(connection, request, rules, head, schedule.commitment_format),
        publishing=Publishing(
            chain=chain,
            writer=connection.writer,
            publisher=connection.publisher,
            note=tools.settings.state_dir / NOTES / f"{connection.hotkey}.json",
            waiting=waiting,
        ),
        crowns=[champion.crown for champion in crowned.values()],
    )
    if line := warning(
        state, connection.hotkey, rules=rules, timing=schedule.timing, head=head.number
    ):
        tell(line)
    first = await plan.preview(UNKNOWN_HASHES)
    _require_registered(first.quote, connection, tools)
    return plan


async def _carry_out(plan: _Plan, request: PublishRequest) -> Published:
    async def go_on() -> Published | None:
        return await plan.publishing.publish(
            plan.wanted, crowns=plan.crowns, confirm=lambda _: request.replace
        )

    published = await go_on()
    if published is not None and not published.public and request.wait:
        await plan.publishing.until_open()
        published = await go_on()
    if published is None:
        raise CommandError(
            "not committed: the commitment on chain has changed a moment ago; look at it with: "
            "sn37 miner status"
        )
    return published


async def _publication(
    connection: MinerConnection,
    request: PublishRequest,
    rules: Competition,
    head: BlockRef,
    format_: CommitmentFormat,
) -> Publication:
    reveal_at = None
    if request.sealed_for is not None:
        reveal_at = await connection.read.chain.timestamp(head) + request.sealed_for
    return Publication(
        folder=request.folder,
        repo=request.repo,
        competition=rules,
        hotkey=connection.hotkey,
        format=format_,
        reveal_at=reveal_at,
    )


def _require_permission(preview: Preview, request: PublishRequest) -> None:
    if preview.gives_up and not request.replace:
        raise CommandError(
            f"not committed: {'; '.join(preview.gives_up)}; to commit anyway: --replace-champion"
        )


def _require_registered(
    quote: CommitmentQuote, connection: MinerConnection, tools: MinerTools
) -> None:
    if not quote.registered:
        raise CommitmentRefused(
            f"hotkey {connection.hotkey} is not registered on subnet {tools.settings.netuid} of "
            f"network {tools.settings.network}; register it with: {connection.how_to_register}",
            code="not_registered",
        )


async def _checked(
    tools: MinerTools, request: PublishRequest, rules: Competition
) -> tuple[ModelArtifact, ModelHashes]:
    """Return the folder's model after all checks that a validator makes.

    Raises:
        CommandError: A validator would refuse it; the message has its reason.
        StoreUnavailable: The competition's tokenizer cannot be fetched.
    """
    tokenizer = request.tokenizer
    if tokenizer is None and rules.tokenizer is not None and request.loading:
        found = await tools.prescribed_tokenizer(rules.tokenizer, online=True)
        tokenizer = None if found is None else Path(found)
    examined, rows = await run_check(
        Request(
            target=request.folder,
            rules=rules,
            tools=tools,
            tokenizer=tokenizer,
            weights=True,
            loading=request.loading,
        )
    )
    failed = next((row for row in rows if row.status is Status.FAILED), None)
    if failed is not None and failed.reason is not None:
        raise CommandError(
            f"{request.folder} would be refused: {failed.reason.value}: {failed.detail}; "
            f"{failed.reason.remedy}"
        )
    unloaded = next(
        (r for r in rows if r.step is AdmissionStep.LOADING and r.status is Status.NOT_REACHED),
        None,
    )
    if unloaded is not None and request.loading:
        raise CommandError(
            f"{request.folder} could not be loaded and scored: {unloaded.detail}; to publish it "
            "anyway: --no-loading"
        )
    if examined.artifact is None or examined.hashes is None:
        raise CommandError(f"{request.folder}: the weights were not checked")
    return examined.artifact, examined.hashes

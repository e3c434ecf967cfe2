"""Publication of a model in five steps: check, upload, commit, confirm, open.

A rival that reads the files before the commitment is on chain could commit to them first
(attack 2), so they stay private until then. A second commitment to the same files would only be
younger, so each step first reads the state of host and chain, and repeating the whole continues
where it stopped. A note on disk bridges the minute, or with a seal the hours, until the chain
shows what was sent (``commitment_note``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from sn37.app.config.path_checks import require_writable
from sn37.app.errors import CommandError, UsageError
from sn37.app.mining.admission_check import Request, Status, run_check
from sn37.app.mining.champions import champions
from sn37.app.mining.commitment_note import NotedWriter, Waiting
from sn37.app.mining.connections import MinerConnection
from sn37.app.mining.miner_tools import MinerTools
from sn37.app.mining.replacing import evidence_at_stake, given_up_by_replacing
from sn37.app.schedule.load import LoadedSchedule
from sn37.app.schedule.lookup import competition_of, rules_of_network, running_competition
from sn37.domain.ids import Block, Digest, EntryKey, Hotkey, RoundKey
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.admission import AdmissionStep
from sn37.domain.submission.commitment import (
    Commitment,
    CommitmentQuote,
    StandingCommitment,
    format_commitment,
    is_repository,
    parse_commitment,
    secure_hash,
)
from sn37.domain.submission.digests import ModelHashes
from sn37.domain.submission.models import ModelArtifact, ModelRef
from sn37.ports.errors import ChainUnavailable, CommitmentRefused, PublishRefused
from sn37.ports.model_store import ModelPublisher

NOTES = "publishing"  # folder of the state directory with notes on commitments under way
UNKNOWN_COMMIT = "0" * 40
UNKNOWN_HASHES = ModelHashes(v1=Digest(""), v2=Digest(""))
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishRequest:
    """Model to publish, and options."""

    folder: Path
    repo: str  # "namespace/name"
    competition: int
    sealed_for: timedelta | None = None  # until the commitment opens; ``None``: not sealed
    replace: bool = False  # accept the loss of what the new commitment replaces
    dry_run: bool = False
    loading: bool = True  # load the model and score a few samples first
    tokenizer: Path | None = None  # folder of the competition's; ``None``: download it
    wait: bool = True  # until a seal opens


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedModel:
    """A model that validators would admit."""

    artifact: ModelArtifact
    hashes: ModelHashes


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Effects that publishing would have, found without sending anything."""

    text: str  # of the commitment; zeros stand for the commit hash, known after the upload
    quote: CommitmentQuote
    done: bool  # these files in this repository are committed to already
    gives_up: tuple[str, ...]  # losses by a new commitment, one line each


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """State of a publication. While ``public`` is false, the same request later continues."""

    model: ModelRef
    committed_at: Block  # for a sealed one, until it opens, the block of the sealed text
    public: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishReport:
    """Results of the checks, and of the publication."""

    hotkey: Hotkey
    rules: Competition
    artifact: ModelArtifact
    preview: Preview
    published: Published | None = None  # ``None`` after a dry run


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A request, and what its steps use."""

    request: PublishRequest
    rules: Competition
    hotkey: Hotkey
    format: CommitmentFormat  # of the commitment's text
    reveal_at: datetime | None  # when a sealed commitment opens; ``None``: not sealed
    crowns: Collection[tuple[RoundKey, EntryKey]]  # champion of each competition, if known
    check: Callable[[], Awaitable[CheckedModel]]
    commitments: NotedWriter
    publisher: ModelPublisher

    def model_at(self, revision: str, hashes: ModelHashes) -> ModelRef:
        """Return the model as the commitment names it."""
        bound = secure_hash(hashes.bound_by(self.format), self.hotkey)
        return ModelRef(repo=self.request.repo, revision=revision, secure_hash=bound)

    def text_for(self, model: ModelRef) -> str:
        """Return the text of the commitment.

        Raises:
            PublishRefused: The name is too long for the chain, or not valid.
        """
        try:
            return format_commitment(model, self.rules.id, self.format)
        except ValueError as error:
            raise PublishRefused(str(error)) from error


async def publish_model(
    tools: MinerTools, request: PublishRequest, *, tell: Tell, waiting: Waiting
) -> PublishReport:
    """Open chain and host, and take the five steps. Repeating it continues.

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
        publication = await _planned(tools, connection, loaded, request, tell, waiting)
        return await take_steps(publication, tell)


async def take_steps(publication: Publication, tell: Tell) -> PublishReport:
    """Check, upload, commit, confirm, open; after a dry run's check, only report.

    Raises:
        CommandError: Refused by the checks, or not permitted by the request.
        ModelRejected: Validators would refuse the files. Nothing has been sent.
        PublishRefused: The host refuses them, or the name is too long for the chain.
        CommitmentRefused: The chain refuses the commitment. The upload stays private.
        StoreUnavailable, ChainUnavailable: Repeat it later; finished steps are kept.
    """
    request, rules = publication.request, publication.rules
    tell(f"checking {request.folder} for competition {rules.id} ({rules.name})")
    checked = await publication.check()
    preview = await preview_commitment(publication, checked.hashes)
    report = PublishReport(
        hotkey=publication.hotkey, rules=rules, artifact=checked.artifact, preview=preview
    )
    if request.dry_run:
        return report
    _require_permission(preview, request)

    tell(f"uploading {checked.artifact.size_bytes:,} bytes to {request.repo}, private")
    model = await upload_privately(publication)
    text = publication.text_for(model)
    await send_commitment(
        publication.commitments,
        text,
        hotkey=publication.hotkey,
        crowns=publication.crowns,
        may_replace=request.replace,
        reveal_at=publication.reveal_at,
    )
    standing = await confirm_commitment(publication.commitments, text, wait=request.wait)
    is_public = await open_repository(publication, standing)
    published = Published(model=model, committed_at=standing.block, public=is_public)
    return replace(report, published=published)


async def check_folder(
    tools: MinerTools, request: PublishRequest, rules: Competition
) -> CheckedModel:
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
            f"{failed.reason.remedy}",
            page="miner",
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
    return CheckedModel(artifact=examined.artifact, hashes=examined.hashes)


async def preview_commitment(publication: Publication, hashes: ModelHashes) -> Preview:
    """Read the chain, and send nothing.

    Raises:
        PublishRefused: The name is too long for the chain.
        CommitmentRefused, ChainUnavailable: As ``CommitmentWriter.quote``.
    """
    commitments, reveal_at = publication.commitments, publication.reveal_at
    text = publication.text_for(publication.model_at(UNKNOWN_COMMIT, hashes))
    quote = await commitments.quote(text, reveal_at=reveal_at)
    standing = await commitments.standing()
    done = standing is not None and _name_same_files(commitments.text_of(standing), text)
    gives_up = given_up_by_replacing(
        standing, hotkey=publication.hotkey, crowns=publication.crowns, reveal_at=reveal_at
    )
    return Preview(text=text, quote=quote, done=done, gives_up=() if done else gives_up)


async def upload_privately(publication: Publication) -> ModelRef:
    """Upload what the repository lacks; return the model with its commit on the host."""
    request = publication.request
    revision, hashes = await publication.publisher.upload(
        request.folder, request.repo, publication.rules.constraints
    )
    return publication.model_at(revision, hashes)


async def send_commitment(
    commitments: NotedWriter,
    text: str,
    *,
    hotkey: Hotkey,
    crowns: Collection[tuple[RoundKey, EntryKey]],
    may_replace: bool,
    reveal_at: datetime | None = None,
) -> Block:
    """Commit to the text unless it is on chain already; return the block of the commitment.

    Args:
        crowns: The champion after the newest round of each competition, if known.
        may_replace: Commit even if that gives up a crown or a seal.
        reveal_at: Time at which the new commitment opens, if it is sealed.

    Raises:
        CommandError: It would give something up.
        CommitmentRefused, ChainUnavailable: See ``CommitmentWriter.commit``.
    """
    standing = await commitments.settled()
    if standing is not None and commitments.is_ours(standing, text):
        return standing.block
    gives_up = given_up_by_replacing(standing, hotkey=hotkey, crowns=crowns, reveal_at=reveal_at)
    if gives_up and not may_replace:
        raise CommandError(
            "not committed: the commitment on chain has changed a moment ago; look at it with: "
            "sn37 miner status"
        )
    return (await commitments.send_when_due(text, reveal_at=reveal_at)).number


async def confirm_commitment(
    commitments: NotedWriter, text: str, *, wait: bool
) -> StandingCommitment:
    """Read the commitment back from the chain; with ``wait``, once it is not sealed any more.

    Raises:
        ChainUnavailable: The chain does not show it.
    """
    standing = await commitments.standing()
    is_sealed = standing is not None and standing.data is None
    if wait and is_sealed and commitments.is_ours(standing, text):
        standing = await commitments.opened()
    if standing is None or not commitments.is_ours(standing, text):
        raise ChainUnavailable(
            "the chain does not show the commitment yet; run the same command again"
        )
    return standing


async def open_repository(publication: Publication, standing: StandingCommitment) -> bool:
    """Make the repository public if everybody can read the commitment; return whether."""
    if standing.data is None:
        return False
    await publication.publisher.make_public(publication.request.repo)
    return True


async def _planned(
    tools: MinerTools,
    connection: MinerConnection,
    loaded: LoadedSchedule,
    request: PublishRequest,
    tell: Tell,
    waiting: Waiting,
) -> Publication:
    """Ask the chain first: it refuses within a second, and the checks take minutes."""
    chain, schedule, state = connection.read.chain, loaded.schedule, tools.state()
    hotkey, head = connection.hotkey, await chain.head()
    rules = running_competition(loaded, request.competition, head.number, tools.settings)
    reveal_at = None
    if request.sealed_for is not None:
        reveal_at = await chain.timestamp(head) + request.sealed_for
    publication = Publication(
        request=request,
        rules=rules,
        hotkey=hotkey,
        format=schedule.commitment_format,
        reveal_at=reveal_at,
        crowns=[c.crown for c in (await champions(chain, schedule, state)).values()],
        check=partial(check_folder, tools, request, rules),
        commitments=NotedWriter(
            connection.writer, chain, tools.settings.state_dir / NOTES / f"{hotkey}.json", waiting
        ),
        publisher=connection.publisher,
    )
    if line := evidence_at_stake(
        state, hotkey, rules=rules, timing=schedule.timing, head=head.number
    ):
        tell(line)
    first = await preview_commitment(publication, UNKNOWN_HASHES)
    if not first.quote.registered:
        raise CommitmentRefused(
            f"hotkey {hotkey} is not registered on subnet {tools.settings.netuid} of network "
            f"{tools.settings.network_name}; register it with: {connection.how_to_register}",
            code="not_registered",
        )
    return publication


def _require_permission(preview: Preview, request: PublishRequest) -> None:
    if preview.gives_up and not request.replace:
        raise CommandError(
            f"not committed: {'; '.join(preview.gives_up)}; to commit anyway: --replace-champion"
        )


def _name_same_files(standing: bytes | None, text: str) -> bool:
    """True if two texts name the same files in the same repository, at any commit."""
    if standing is None:
        return False
    known = parse_commitment(standing, hotkey=Hotkey(""), block=Block(0))
    wanted = parse_commitment(text, hotkey=Hotkey(""), block=Block(0))
    if not isinstance(known, Commitment) or not isinstance(wanted, Commitment):
        return False
    return known == replace(wanted, model=replace(wanted.model, revision=known.model.revision))

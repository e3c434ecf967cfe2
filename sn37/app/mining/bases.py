"""Base models for a miner: listed, verified by a validator's admission, copied to a folder."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sn37.app.errors import CommandError
from sn37.app.mining.base_sources import Local, Named, Published, Source, Standing
from sn37.app.mining.champions import champions
from sn37.app.mining.connections import ReadConnection
from sn37.app.mining.miner_tools import MinerTools
from sn37.app.schedule.lookup import competition_of, rules_of_network
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.base_models import rank_base_models
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.constraints import Violation
from sn37.domain.submission.licences import Terms, licence_in_readme, terms_of
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.errors import ModelNotPublic

LISTED = 10  # models of one kind
MAX_README_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One model that a miner can start from."""

    source: str  # argument of ``sn37 miner base`` that names it
    model: str  # "namespace/name@commit"
    what: str  # description for people
    licence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A model to start from, on disk."""

    folder: Path
    origin: str  # description for people of where it comes from
    model: str | None  # "namespace/name@commit"; ``None`` for a local folder
    licence: str | None
    artifact: ModelArtifact

    @property
    def terms(self) -> Terms:
        return terms_of(self.licence)


async def list_bases(tools: MinerTools, competition: int) -> tuple[Choice, ...]:
    """List models to start from: the competition's champion, its other models, subnet 9's.

    Raises:
        CommandError: The network of the settings cannot be opened.
        ChainUnavailable, StoreUnavailable: The network does not answer.
    """
    loaded = rules_of_network(tools.settings)
    rules = competition_of(loaded, competition)
    async with tools.reading() as network:
        found = await _competing(network, tools, loaded.schedule, rules)
        pretrained = await network.pretrained()
        found += [
            ("subnet9" if place == 0 else f"hotkey:{m.commitment.hotkey}", m.commitment, what)
            for place, m in enumerate(pretrained[:LISTED])
            if (what := f"of subnet 9, incentive {m.incentive:.4f}")
        ]
        licences = await asyncio.gather(*(_licence(network, c) for _, c, _ in found))
    return tuple(
        Choice(source=source, model=_pinned(c), what=what, licence=licence)
        for (source, c, what), licence in zip(found, licences, strict=True)
    )


async def fetch_base(tools: MinerTools, source: Source, competition: int, to: Path) -> Base:
    """Copy a model to the folder ``to``, which must be new or empty.

    Raises:
        CommandError: The model would not be admitted to the competition, or does not exist.
        ModelRejected, ModelNotPublic: The same, for a committed model.
        Unavailable: Chain or host do not answer; files downloaded so far are kept.
    """
    _require_new(to)
    loaded = rules_of_network(tools.settings)
    rules = competition_of(loaded, competition)
    if isinstance(source, Local):
        return _local(tools, source.folder, rules, to)
    async with tools.reading() as network:
        match source:
            case Published(repo=repo, name=name):
                return await _published(network, repo, name, rules, to)
            case Named() | Standing():
                commitment, what = await _committed(network, tools, loaded.schedule, rules, source)
                return await _verified(network, commitment, what, rules, to)


def _local(tools: MinerTools, folder: Path, rules: Competition, to: Path) -> Base:
    try:
        found = tools.examine_folder(folder, rules.constraints, weights=True)
        readme, licence = folder / "README.md", None
        if readme.is_file() and readme.stat().st_size <= MAX_README_BYTES:
            licence = licence_in_readme(readme.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise CommandError(f"{folder}: {error.strerror or error}") from error
    artifact = _admitted(found.artifact, found.refusal, str(folder), rules)
    return _delivered(artifact, to, origin=str(folder), model=None, licence=licence)


async def _published(
    network: ReadConnection, repo: str, name: str, rules: Competition, to: Path
) -> Base:
    """Return the base from a repository, which need not be committed to."""
    commit = await network.examiner.commit_of(repo, name)
    found = await network.examiner.examine(repo, commit, rules.constraints, weights=True)
    model = f"{repo}@{commit}"
    artifact = _admitted(found.artifact, found.refusal, model, rules)
    try:
        licence = await network.examiner.licence(repo, commit)
        return _delivered(artifact, to, origin="its repository", model=model, licence=licence)
    finally:
        network.examiner.discard(repo, commit)


async def _verified(
    network: ReadConnection, commitment: Commitment, what: str, rules: Competition, to: Path
) -> Base:
    """Return the base from a commitment; refuse files other than those committed to."""
    artifact = await network.models.fetch(commitment, rules.constraints)
    licence = await _licence(network, commitment)
    base = _delivered(artifact, to, origin=what, model=_pinned(commitment), licence=licence)
    await network.models.evict(keep=())
    return base


async def _committed(
    network: ReadConnection,
    tools: MinerTools,
    schedule: Schedule,
    rules: Competition,
    source: Named | Standing,
) -> tuple[Commitment, str]:
    """Return the commitment that ``source`` names, with a description.

    Raises:
        CommandError: The commitment does not exist.
    """
    if source is Standing.CHAMPION:
        champion = (await champions(network.chain, schedule, tools.state())).get(rules.id)
        if champion is None:
            raise CommandError(f"competition {rules.id} has no champion yet")
        return champion.commitment, f"the champion by {champion.known_from}"
    if source is Standing.PRETRAINED:
        for model in await network.pretrained():
            ref = model.commitment.model
            found = await network.examiner.examine(
                ref.repo, ref.revision, rules.constraints, weights=False
            )
            if found.refusal is None:
                return model.commitment, f"of subnet 9, incentive {model.incentive:.4f}"
        raise CommandError(f"no model of subnet 9 is within the limits of competition {rules.id}")
    return await _of_member(network, source)


async def _of_member(network: ReadConnection, source: Named) -> tuple[Commitment, str]:
    head = await network.chain.head()
    metagraph = await network.chain.metagraph(head)
    neuron = next(
        (n for n in metagraph.neurons if source.hotkey == n.hotkey or source.uid == n.uid), None
    )
    if neuron is None:
        raise CommandError(f"{source}: not registered at block {head.number}")
    book = await network.chain.commitments(head)
    if neuron.hotkey in book.well_formed:
        return book.well_formed[neuron.hotkey], f"committed by {neuron.hotkey}, uid {neuron.uid}"
    if (malformed := book.malformed.get(neuron.hotkey)) is not None:
        raise CommandError(f"{source}: its commitment names no model: {malformed.detail}")
    raise CommandError(f"{source}: has no commitment that can be read")


async def _competing(
    network: ReadConnection, tools: MinerTools, schedule: Schedule, rules: Competition
) -> list[tuple[str, Commitment, str]]:
    """Return the competition's commitments: champion first, then by incentive and precedence."""
    head = await network.chain.head()
    book, metagraph = await network.chain.commitments(head), await network.chain.metagraph(head)
    crowned = (await champions(network.chain, schedule, tools.state())).get(rules.id)
    found: list[tuple[str, Commitment, str]] = []
    if crowned is not None:
        found.append(("champion", crowned.commitment, f"the champion by {crowned.known_from}"))
    ranked = [m.commitment for m in rank_base_models(book, metagraph, {rules.id})]
    others = sorted(
        (c for c in book.well_formed.values() if c.competition == rules.id),
        key=lambda c: c.precedence,
    )
    known = {c.key for _, c, _ in found}
    found += [
        (f"hotkey:{c.hotkey}", c, f"committed at block {c.block}")
        for c in dict.fromkeys((*ranked, *others))
        if c.key not in known
    ]
    return found[:LISTED]


async def _licence(network: ReadConnection, commitment: Commitment) -> str | None:
    try:
        return await network.examiner.licence(commitment.model.repo, commitment.model.revision)
    except ModelNotPublic:
        return None


def _admitted(
    artifact: ModelArtifact | None, refusal: Violation | None, what: str, rules: Competition
) -> ModelArtifact:
    if refusal is not None:
        raise CommandError(
            f"{what} cannot be the base for competition {rules.id}: {refusal.reason.value}: "
            f"{refusal.detail}; {refusal.reason.remedy}"
        )
    if artifact is None:
        raise CommandError(f"{what}: the weights were not checked")
    return artifact


def _require_new(to: Path) -> None:
    try:
        is_taken = to.exists() and (not to.is_dir() or any(to.iterdir()))
    except OSError as error:
        raise CommandError(f"{to}: {error.strerror or error}") from error
    if is_taken:
        raise CommandError(f"{to} exists already; choose another folder with --to")


def _delivered(
    artifact: ModelArtifact, to: Path, *, origin: str, model: str | None, licence: str | None
) -> Base:
    """Copy the admitted files; the folder appears when all of them are there."""
    source = Path(artifact.path)
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{to.name}-", dir=to.parent) as partial:
            whole = Path(partial) / "files"
            shutil.copytree(source, whole)
            whole.replace(to)
    except OSError as error:
        raise CommandError(f"{to}: {error.strerror or error}") from error
    return Base(folder=to, origin=origin, model=model, licence=licence, artifact=artifact)


def _pinned(commitment: Commitment) -> str:
    return f"{commitment.model.repo}@{commitment.model.revision}"

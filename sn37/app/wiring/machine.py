"""Tools of this machine for commands other than the validator, opened by the settings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from sn37.adapters.system.clock import SystemClock
from sn37.app.config.path_checks import is_folder, is_there
from sn37.app.config.requirements import require_device
from sn37.app.config.settings import Settings
from sn37.app.errors import CommandError, UsageError
from sn37.app.mining.connections import MinerConnection, ReadConnection
from sn37.app.mining.rate_limits import Patience, PatientExaminer, PatientModels
from sn37.app.samples.installed import InstalledPlugin
from sn37.app.samples.sources import ChainAndSources
from sn37.app.wiring.container import container_for
from sn37.app.wiring.networks import open_data
from sn37.app.wiring.plugins import installed_plugin
from sn37.app.wiring.recorded_network import require_same_network
from sn37.domain.data.samples import Pool
from sn37.domain.disk.disk_inventory import refs_of
from sn37.domain.ids import Block, RoundKey, TaskName
from sn37.domain.reasons import Reason
from sn37.domain.round.state import ValidatorState
from sn37.domain.schedule.competition import Competition, TokenizerRef
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.admission import Examined
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import Inventory, ModelArtifact
from sn37.domain.training import Evaluated, Step
from sn37.ports.errors import ModelRejected, StoreUnavailable

if TYPE_CHECKING:
    from sn37.adapters.scoring.scorer import WorkerScorer
    from sn37.adapters.training.trainer import TransformersTrainer
    from sn37.adapters.training.wandb_run import WandbRun
    from sn37.ports.model_store import ModelExaminer, ModelStore


class Machine:
    """Opens adapters on demand; each use case sees it through a narrow protocol."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.container = container_for(settings)

    def state(self) -> ValidatorState | None:
        """Return a validator's record in the state folder; ``None`` if no validator has run.

        Raises:
            CommandError: The record is of another network.
            StateUnreadable, StateUnavailable: The record cannot be read.
        """
        return self.recorded_state() if is_there(self.settings.state_file) else None

    def recorded_state(self) -> ValidatorState:
        """Return a validator's record in the state folder.

        Raises:
            CommandError: The record is of another network.
            StateUnreadable, StateUnavailable: No validator has run there, or the record cannot
                be read.
        """
        require_same_network(self.container)
        return self.container.read_state()(self.settings.state_file)

    def pools(self, key: RoundKey) -> Mapping[TaskName, Pool]:
        """Return the pools of a round that the state folder still has.

        Raises:
            CommandError, StateUnreadable, StateUnavailable: The record cannot be read.
        """
        file = self.settings.state_file
        return self.container.read_pools()(file, key) if is_there(file) else {}

    def reading(self) -> AbstractAsyncContextManager[ReadConnection]:
        """Open the network for reading only; see ``open_reading``."""
        from sn37.app.wiring.mining import open_reading

        return open_reading(self)

    def writing(self) -> AbstractAsyncContextManager[MinerConnection]:
        """Open the network for writing with the hotkey of the settings; see ``open_writing``."""
        from sn37.app.wiring.mining import open_writing

        return open_writing(self)

    def installed_plugin(self, name: str) -> InstalledPlugin:
        """Return the plug-in of an installed package; raises ``LookupError``."""
        return installed_plugin(name)

    def data(self, block: Block) -> AbstractAsyncContextManager[ChainAndSources]:
        """Open a chain that reaches ``block``, and the data sources; see ``open_data``."""
        return open_data(self.settings, block=block)

    def examine_folder(
        self, folder: Path, constraints: ModelConstraints, *, weights: bool
    ) -> Examined:
        """Make the admission checks on a local folder; raises ``OSError``."""
        from sn37.adapters.admission.examine import examine

        return examine(folder, constraints, weights=weights)

    def positions_of(self, artifact: ModelArtifact) -> int | None:
        """Return the number of positions of an admitted model, if it has a table of them."""
        from sn37.adapters.admission.positions import positions_in

        return positions_in(Path(artifact.path))

    def examiner(self) -> ModelExaminer:
        """Return the examiner of repositories: on the hub, or on the simulated network."""
        settings = self.settings
        if settings.is_simnet:
            from sn37.adapters.simnet.host.examiner import FolderExaminer

            repos = settings.state_dir.absolute() / "simnet" / "repos"
            return FolderExaminer(repos, settings.state_dir / "checks")
        from sn37.adapters.hub.examiner import HubExaminer

        return PatientExaminer(HubExaminer(settings.state_dir / "checks"), patience())

    def require_scorer(self) -> None:
        """Check that this machine has the packages that scoring needs.

        Raises:
            CommandError: A package is missing.
        """
        missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
        if missing:
            raise CommandError(
                f"scoring needs {', '.join(missing)}, which is not installed: "
                "run pip install 'sn37[scorer]'"
            )

    def scorer(self, *, allow_weak_sandbox: bool = False) -> WorkerScorer:
        """Return the scorer of this machine.

        Args:
            allow_weak_sandbox: Allow it regardless of the settings; for the miner's own models.

        Raises:
            CommandError: This machine does not have the device of the settings.
        """
        settings = self.settings
        if allow_weak_sandbox:
            settings = settings.model_copy(update={"allow_weak_sandbox": True})
        require_device(settings)
        return self.container.open_scorer(settings)

    def trainer(self, *, threads: int | None) -> TransformersTrainer:
        """Return the trainer of this machine.

        Args:
            threads: ``None`` uses all cores of this process, or its share of them if several
                processes were launched here.

        Raises:
            CommandError: This machine does not have the device of the settings.
        """
        from sn37.adapters.training.trainer import TransformersTrainer

        require_device(self.settings)
        beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        return TransformersTrainer(
            device=self.settings.scorer_device,
            dtype=self.settings.scorer_dtype,
            threads=threads or max(1, len(os.sched_getaffinity(0)) // beside),
        )

    def wandb(self, project: str, folder: Path, *, fingerprint: str) -> WandbRun:
        """Return a receiver that sends a run's curves to Weights and Biases."""
        from sn37.adapters.training.wandb_run import WandbRun

        return WandbRun(project=project, folder=folder, fingerprint=fingerprint)

    def draw_losses(
        self, file: Path, steps: Sequence[Step], evaluations: Sequence[Evaluated]
    ) -> None:
        """Plot a run's losses as a PNG; raises ``OSError``."""
        from sn37.adapters.training.plot import draw

        draw(file, steps, evaluations)

    async def prescribed_tokenizer(self, ref: TokenizerRef, *, online: bool) -> PurePath | None:
        """Return the folder of a competition's tokenizer; ``None`` if this machine lacks it.

        Args:
            online: Download it from the hub if it is missing.

        Raises:
            StoreUnavailable: The hub does not have it, or does not answer.
        """
        if self.settings.is_simnet:
            from sn37.adapters.simnet.host.model_store import store_of

            try:
                return await store_of(self.settings.state_dir).tokenizer(ref)
            except StoreUnavailable:
                return None
        from sn37.adapters.hub.model_store import HubModelStore

        cache = HubModelStore(self.settings.state_dir / "models")
        if not online:
            return cache.cached_tokenizer(ref)
        return await PatientModels(cache, patience()).tokenizer(ref)

    async def needed_tokenizer(self, rules: Competition, given: Path | None) -> PurePath | None:
        """Return the folder of the prescribed tokenizer: ``given``, else the host's.

        ``None`` if models bring their own.

        Raises:
            UsageError: ``given`` is not a folder.
            CommandError: The tokenizer is not on this machine and cannot be fetched.
            StoreUnavailable: The hub does not answer.
        """
        if given is not None and not is_folder(given, "--tokenizer"):
            raise UsageError(f"--tokenizer {given}: no such folder")
        if rules.tokenizer is None or given is not None:
            return given
        found = await self.prescribed_tokenizer(rules.tokenizer, online=True)
        if found is None:
            raise CommandError(
                f"the competition's tokenizer {rules.tokenizer.repo} is not in "
                f"{self.settings.state_dir}; give --tokenizer FOLDER"
            )
        return found

    async def fetch_aside(self, commitment: Commitment, limits: ModelConstraints) -> ModelArtifact:
        """Return a model for a command: the validator's copy if complete, else fetched beside it.

        The validator may be running, and only it may write among its models. A receipt does not
        record the format of its commitment, so the older format is tried too.

        Raises:
            ModelRejected, ModelNotPublic, StoreUnavailable: See ``ModelStore.fetch``.
        """
        store = self._models()
        held = (await store.inventory([commitment.model])).held.get(commitment.model)
        if not self.settings.is_simnet and (held is None or not held.complete):
            from sn37.adapters.hub.model_store import HubModelStore

            store = PatientModels(HubModelStore(self.settings.state_dir / "replayed"), patience())
        try:
            return await store.fetch(commitment, limits)
        except ModelRejected as error:
            if error.reason is not Reason.DIGEST_MISMATCH:
                raise
        return await store.fetch(replace(commitment, format=CommitmentFormat.V1), limits)

    async def inventory(self, state: ValidatorState) -> Inventory:
        """Return what is on disk of the recorded models; raises ``StoreUnavailable``."""
        return await self._models().inventory(refs_of(state))

    def _models(self) -> ModelStore:
        """Return the store of the validator's models in its state folder."""
        if self.settings.is_simnet:
            from sn37.adapters.simnet.host.model_store import store_of

            return store_of(self.settings.state_dir)
        from sn37.adapters.hub.model_store import HubModelStore

        return HubModelStore(self.settings.state_dir / "models")


def patience() -> Patience:
    """Return retries that wait for a hub's rate limit, with a countdown on standard error."""
    return Patience(clock=SystemClock())


def scored_architectures() -> frozenset[str]:
    """Return the classes of models that admission passes to the scorer."""
    from sn37.adapters.admission.config_keys import FAMILIES

    return frozenset(FAMILIES)


def renderer() -> Callable[[str], str | None] | None:
    """Return a check of chat templates that returns an error or None; ``None`` without jinja2."""
    from sn37.adapters.scoring.rendering import can_render, template_problem

    return (lambda template: asyncio.run(template_problem(template))) if can_render() else None


async def model_commit(repo: str, branch: str) -> str:
    """Return the commit that a branch of a model's repository has on the hub today.

    Raises:
        CommandError: huggingface_hub is not installed.
        StoreUnavailable: The hub does not answer, or has no such branch.
    """
    if find_spec("huggingface_hub") is None:
        raise CommandError("the hub needs huggingface_hub: run pip install 'sn37[hub]'")
    from sn37.adapters.hub import commits

    return await commits.model_commit(repo, branch)

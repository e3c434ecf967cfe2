"""What scoring on this machine takes besides a model and samples."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path, PurePath

from sn37.app.config.path_checks import is_folder
from sn37.app.config.settings import Settings
from sn37.app.errors import CommandError, UsageError
from sn37.app.wiring.models import prescribed_tokenizer, scored_methods
from sn37.domain.schedule.competition import Competition


def require_scorer(rules: Competition) -> None:
    """Make sure that this machine can score all tasks of a competition.

    Raises:
        CommandError: A package is missing, or this version cannot score a task.
    """
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing:
        raise CommandError(
            f"scoring needs {', '.join(missing)}, not installed here: "
            "run pip install 'sn37[scorer]'"
        )
    if unknown := {t.method for t in rules.tasks} - scored_methods():
        raise CommandError(f"this version cannot score {', '.join(sorted(unknown))}")


async def needed_tokenizer(
    settings: Settings, rules: Competition, given: Path | None
) -> PurePath | None:
    """Folder of the prescribed tokenizer: the one given, else the host's.

    ``None`` where models bring their own.

    Raises:
        UsageError: The one given is no folder.
        CommandError: It is not on this machine and cannot be had.
        StoreUnavailable: The hub does not answer.
    """
    if given is not None and not is_folder(given, "--tokenizer"):
        raise UsageError(f"--tokenizer {given}: no such folder")
    if rules.tokenizer is None or given is not None:
        return given
    found = await prescribed_tokenizer(settings, rules.tokenizer, online=True)
    if found is None:
        raise CommandError(
            f"the competition's tokenizer {rules.tokenizer.repo} is not in "
            f"{settings.state_dir}; give --tokenizer FOLDER"
        )
    return found

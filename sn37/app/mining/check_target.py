"""Target of a check, as a miner names it: a folder, or a commit on the model host."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from sn37.app.config.path_checks import is_folder
from sn37.app.errors import CommandError, UsageError
from sn37.app.mining.admission_check import Repository, Request, Row, run_check
from sn37.app.mining.miner_tools import MinerTools
from sn37.domain.ids import is_commit
from sn37.domain.schedule.competition import Competition
from sn37.domain.submission.admission import Examined
from sn37.ports.errors import Unavailable

_REPOSITORY = re.compile(r"([^/@\s]+/[^/@\s]+)@(\S+)")


async def check_named(
    text: str,
    rules: Competition,
    tools: MinerTools,
    *,
    tokenizer: Path | None,
    weights: bool,
    loading: bool,
) -> tuple[Examined, tuple[Row, ...]]:
    """Check the model that the text names; see ``run_check``.

    Raises:
        CommandError, UsageError: The text names nothing that can be checked here.
        StoreUnavailable: The host or the disk failed; the same command continues.
    """
    request = Request(
        target=await _target(text, tools),
        rules=rules,
        tools=tools,
        tokenizer=tokenizer,
        weights=weights,
        loading=loading,
    )
    return await run_check(request)


async def _target(text: str, tools: MinerTools) -> Path | Repository:
    """Return the folder or commit that the text names, if the packages for its check are there.

    Raises:
        CommandError: A package is missing.
        UsageError: It is neither a folder nor a commit; for a branch, names its commit.
    """
    target = _named(text)
    needed = ["blake3", "numpy"]
    if isinstance(target, Repository):
        needed.append("huggingface_hub")
    if missing := [name for name in needed if find_spec(name) is None]:
        raise CommandError(
            f"the check needs {', '.join(missing)}, which is not installed: "
            "run pip install 'sn37[hub]'"
        )
    if isinstance(target, Repository) and not is_commit(target.commit):
        raise UsageError(await _no_commit(target.repo, target.commit, tools))
    return target


def _named(text: str) -> Path | Repository:
    """Return the folder or repository that the text names; its commit may be a branch."""
    if is_folder(folder := Path(text)):
        return folder
    if folder.is_file():
        raise UsageError(f"{text} is a file: name the folder that holds the model")
    if (match := _REPOSITORY.fullmatch(text)) is None:
        raise UsageError(f"{text}: no such folder; a repository is written NAMESPACE/NAME@COMMIT")
    return Repository(repo=match[1], commit=match[2])


async def _no_commit(repo: str, name: str, tools: MinerTools) -> str:
    why = f"{name} is not a commit of 40 hex digits, so its files can change"
    try:
        commit = await tools.examiner().commit_of(repo, name)
    except Unavailable as error:
        if tools.settings.is_simnet:
            return f"{why}; {error}; sn37 miner base lists some"
        return (
            f"{why}; {error}; to print its commit, run where it can be read: "
            f"git ls-remote https://huggingface.co/{repo} {name}"
        )
    return f"{why}; its commit now is {commit}: check {repo}@{commit}"

"""Selection of the files of a repository that are read, by name and size only.

The input is a listing, so that a hub adapter can reject a repository before it downloads a
byte. Every unexpected file is rejected: validators would not read it, or some library would
load it by itself (a pickle, code, a PEFT adapter), which is an attack.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected

MAX_FILES = 128  # listed in a repository; 15 GiB take 4 shards, or 16 of 1 GiB each
MAX_NAME_CHARS = 96
MAX_TOLD = 8  # further files that one message lists
HUB_SCRATCH = ".cache"  # left by huggingface_hub in a folder that it downloaded to
CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
TOKENIZER_CONFIG = "tokenizer_config.json"

# Size limits of the files that are parsed or rendered. A tokenizer of 256,000 entries has 33 MB.
_MIB = 1 << 20
_TEXT_CAPS = {
    CONFIG: _MIB,
    "generation_config.json": _MIB,
    INDEX: 4 * _MIB,  # parsed, a file of many tiny values takes 30 times as much memory
    "tokenizer.json": 64 * _MIB,
    TOKENIZER_CONFIG: 4 * _MIB,  # lists every added token
    "special_tokens_map.json": _MIB,
    "added_tokens.json": 4 * _MIB,
    "vocab.json": 32 * _MIB,
    "merges.txt": 32 * _MIB,
    "tokenizer.model": 32 * _MIB,
    "spiece.model": 32 * _MIB,
}
_TEMPLATE_CAP = _MIB
_TOLERATED = re.compile(
    r"\.gitattributes|\.gitignore"
    r"|(README|LICEN[SC]E|NOTICE|COPYING|USE_POLICY)([_-][A-Za-z0-9]+)*(\.(md|txt|rst))?",
    re.IGNORECASE,
)
_ODD = re.compile(r"[^A-Za-z0-9._-]")
# A revision in the cache of huggingface_hub, whose files are links to blobs next to it.
_SNAPSHOT = re.compile(r"models--([^/]+?)--([^/]+)/snapshots/([0-9a-f]{40})")


@dataclass(frozen=True, slots=True, order=True)
class ListedFile:
    """One file of a repository: its listed path, and its size as claimed by the host."""

    path: str
    size_bytes: int


def select(listing: Sequence[ListedFile], *, max_bytes: int) -> tuple[ListedFile, ...]:
    """Return the files to read, sorted by path; documentation is allowed but not read.

    ``max_bytes`` limits their total size.

    Raises:
        ModelRejected: ``too_many_files``, ``unsafe_file``, ``too_large``, or ``bad_config`` and
            ``unloadable`` if the configuration or the weights are missing.
    """
    if len(listing) > MAX_FILES:
        raise ModelRejected(
            f"{len(listing)} files, at most {MAX_FILES} are allowed: remove some",
            reason=Reason.TOO_MANY_FILES,
        )
    chosen = tuple(sorted(file for file in listing if _is_read(file, listing)))
    names = {file.path for file in chosen}
    if len({name.casefold() for name in names}) != len(chosen):
        raise ModelRejected(
            "two files have the same name, or names that differ only in case: rename one",
            reason=Reason.UNSAFE_FILE,
        )
    total = sum(file.size_bytes for file in chosen)
    if total > max_bytes:
        raise ModelRejected(
            f"the files have {total:,} bytes, the competition allows {max_bytes:,}",
            reason=Reason.TOO_LARGE,
        )
    if CONFIG not in names:
        raise ModelRejected(f"{CONFIG} is missing", reason=Reason.BAD_CONFIG)
    check_weight_names(names)
    return chosen


def listing(folder: Path) -> tuple[ListedFile, ...]:
    """Return the regular files of a local folder, sorted by path.

    Links are not followed, not even those of the hub's cache: the worker that loads the model can
    read only its folder. The folder in which a download keeps its own notes is skipped.

    Raises:
        ModelRejected: ``unsafe_file`` for a subfolder, a link, a device or an unsafe name;
            ``too_many_files`` as soon as the limit is exceeded.
        OSError: The folder cannot be read.
    """
    found: list[ListedFile] = []
    for entry in folder.iterdir():
        mode = entry.lstat()
        if entry.name == HUB_SCRATCH and stat.S_ISDIR(mode.st_mode):
            continue
        if stat.S_ISLNK(mode.st_mode):
            raise ModelRejected(_advice(folder, entry.name), reason=Reason.UNSAFE_FILE)
        if not stat.S_ISREG(mode.st_mode):
            raise ModelRejected(
                f"{_quote(entry.name)} is not a regular file of the top folder: remove it",
                reason=Reason.UNSAFE_FILE,
            )
        found.append(ListedFile(entry.name, mode.st_size))
        if len(found) > MAX_FILES:
            raise ModelRejected(
                f"more than {MAX_FILES} files, which is the limit: remove some",
                reason=Reason.TOO_MANY_FILES,
            )
    return tuple(sorted(found))


def _advice(folder: Path, name: str) -> str:
    """Return the advice for a link: most often the folder is one of the hub's cache."""
    copy = "copy the folder with cp -rL and use the copy"
    if (match := _SNAPSHOT.search(folder.absolute().as_posix())) is None:
        return f"{_quote(name)} is a link, which is not followed: {copy}"
    repo = f"{match[1]}/{match[2]}@{match[3]}"
    return (
        f"{_quote(name)} is a link into the cache of huggingface_hub, which is not followed: "
        f"{copy}, or use {repo}"
    )


def documentation(listing: Sequence[ListedFile]) -> tuple[ListedFile, ...]:
    """Return the documentation files, sorted by path; v1 directory hashes may include them.

    Raises:
        ModelRejected: ``too_large`` for a file that is too large for documentation.
    """
    found = tuple(sorted(file for file in listing if _TOLERATED.fullmatch(file.path)))
    for file in found:
        if file.size_bytes > _MIB:
            raise ModelRejected(
                f"{file.path} has {file.size_bytes:,} bytes, at most {_MIB:,} are allowed",
                reason=Reason.TOO_LARGE,
            )
    return found


def tokenizer_files(listing: Sequence[ListedFile]) -> tuple[ListedFile, ...]:
    """Return the files of a tokenizer from the listing of a repository in the schedule.

    Raises:
        ModelRejected: ``too_large`` for a file above the limit of its kind.
    """
    found = tuple(
        file
        for file in sorted(listing)
        if file.path == "chat_template.jinja" or file.path in _TEXT_CAPS.keys() - {INDEX}
    )
    for file in found:
        _check_cap(file)
    return found


def weight_files(names: Sequence[str]) -> tuple[str, ...]:
    """Return those of ``names`` that hold tensors."""
    return tuple(name for name in names if name.endswith(".safetensors"))


def _is_read(file: ListedFile, listing: Sequence[ListedFile]) -> bool:
    name = file.path
    if len(name) > MAX_NAME_CHARS or _ODD.search(name) or name.startswith("-") or ".." in name:
        raise ModelRejected(
            f"unsafe file name {_quote(name)}: use at most {MAX_NAME_CHARS} letters, digits, dots, "
            "dashes and underscores",
            reason=Reason.UNSAFE_FILE,
        )
    if _TOLERATED.fullmatch(name):
        return False
    if file.size_bytes <= 0:
        raise ModelRejected(f"{name} is empty", reason=Reason.UNSAFE_FILE)
    if name.endswith(".safetensors") and _is_known(name):
        return True
    if not _is_known(name):
        if name.startswith("adapter"):
            raise ModelRejected(
                f"{name} belongs to an adapter: merge it into the model (merge_and_unload) and "
                "save the model",
                reason=Reason.UNSAFE_FILE,
            )
        others = [f.path for f in listing if f.path != name and not _is_known(f.path)]
        raise ModelRejected(
            f"{name} is not an accepted file: remove it{_too(others)}",
            reason=Reason.UNSAFE_FILE,
        )
    _check_cap(file)
    return True


def _is_known(name: str) -> bool:
    """True if a file of this name is read or skipped, not rejected."""
    if _TOLERATED.fullmatch(name):
        return True
    if name.startswith("."):
        return False
    if name.endswith(".safetensors"):  # PEFT would inject an adapter_model.safetensors
        return not name.startswith("adapter")
    return name.endswith(".jinja") or name in _TEXT_CAPS


def _too(names: Sequence[str]) -> str:
    """List the other files that are not accepted, so that one check shows them all."""
    if not names:
        return ""
    told = ", ".join(_quote(name) for name in names[:MAX_TOLD])
    more = f" and {len(names) - MAX_TOLD} more" if len(names) > MAX_TOLD else ""
    return f"; also not accepted: {told}{more}"


def _check_cap(file: ListedFile) -> None:
    cap = _TEXT_CAPS.get(file.path, _TEMPLATE_CAP)
    if file.size_bytes > cap:
        raise ModelRejected(
            f"{file.path} has {file.size_bytes} bytes, at most {cap} are allowed",
            reason=Reason.TOO_LARGE,
        )


def check_weight_names(names: set[str]) -> None:
    """Check that there is one file of weights, or shards with an index.

    Raises:
        ModelRejected: ``unloadable``.
    """
    # transformers loads model.safetensors, or else the files in the index. Tensors in any other
    # file would be hashed but not loaded, and a clone could hide behind them.
    weights = weight_files(sorted(names))
    if not weights:
        raise ModelRejected("the model has no safetensors file", reason=Reason.UNLOADABLE)
    if INDEX in names:
        if SINGLE in names and len(weights) > 1:
            raise ModelRejected(
                f"{SINGLE} and other weight files are both present: keep one kind",
                reason=Reason.UNLOADABLE,
            )
    elif weights != (SINGLE,):
        raise ModelRejected(
            f"without {INDEX} the weights must be in {SINGLE} alone", reason=Reason.UNLOADABLE
        )


def _quote(name: str) -> str:
    return ascii(name[:MAX_NAME_CHARS])

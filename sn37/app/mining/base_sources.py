"""How a miner names what to start from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from sn37.app.config.path_checks import is_folder
from sn37.app.errors import UsageError
from sn37.domain.ids import Hotkey, Uid

_REPOSITORY = re.compile(r"([^/@\s]+/[^/@\s]+)@([^@\s]+)")
_HOTKEY = re.compile(r"5[1-9A-HJ-NP-Za-km-z]{47}")  # an ss58 address with Substrate's prefix

MAX_UID = 2**16 - 1
FORMS = "champion, subnet9, uid:NUMBER, hotkey:ADDRESS, NAMESPACE/NAME@COMMIT or a folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """A folder of this machine."""

    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A repository at a commit, a branch or a tag."""

    repo: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a member of the subnet has committed to."""

    uid: Uid | None = None
    hotkey: Hotkey | None = None

    def __str__(self) -> str:
        return f"hotkey:{self.hotkey}" if self.uid is None else f"uid:{self.uid}"


class Standing(Enum):
    """A model by its place."""

    CHAMPION = "champion"
    PRETRAINED = "subnet9"


Source = Local | Published | Named | Standing


def hotkey_of(text: str) -> Hotkey:
    """The address that the text is.

    Raises:
        UsageError: It is none.
    """
    if _HOTKEY.fullmatch(text) is None:
        raise UsageError(
            f"{text!r} is not a hotkey's address, such as 5F...: 48 letters and digits"
        )
    return Hotkey(text)


def source_of(text: str) -> Source:
    """What the text names.

    Raises:
        UsageError: Nothing; says how it is written.
        CommandError: What may be a folder cannot be looked at.
    """
    if text in {standing.value for standing in Standing}:
        return Standing(text)
    kind, _, value = text.partition(":")
    if kind == "uid" and value.isascii() and value.isdecimal():
        if len(value) > len(str(MAX_UID)) or int(value) > MAX_UID:
            raise UsageError(f"uid:{value[:20]}: a uid is from 0 to {MAX_UID}")
        return Named(uid=Uid(int(value)))
    if _HOTKEY.fullmatch(text.removeprefix("hotkey:")):
        return Named(hotkey=Hotkey(text.removeprefix("hotkey:")))
    if is_folder(Path(text)):
        return Local(folder=Path(text))
    if (match := _REPOSITORY.fullmatch(text)) is not None:
        return Published(repo=match[1], name=match[2])
    raise UsageError(f"{text}: no such folder; a starting point is {FORMS}")

"""Ways to name a model to start from."""

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
    """A folder on this machine."""

    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A repository at a commit, a branch or a tag."""

    repo: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The model that a member of the subnet has committed to."""

    uid: Uid | None = None
    hotkey: Hotkey | None = None

    def __str__(self) -> str:
        return f"hotkey:{self.hotkey}" if self.uid is None else f"uid:{self.uid}"


class Standing(Enum):
    """A model by its rank: the champion, or the best of subnet 9."""

    CHAMPION = "champion"
    PRETRAINED = "subnet9"


Source = Local | Published | Named | Standing


def hotkey_of(text: str) -> Hotkey:
    """Return the text as a hotkey.

    Raises:
        UsageError: The text is not an address.
    """
    if _HOTKEY.fullmatch(text) is None:
        raise UsageError(
            f"{text!r} is not a hotkey's address: expected 48 letters and digits, such as 5F..."
        )
    return Hotkey(text)


def source_of(text: str) -> Source:
    """Return the source that the text names.

    Raises:
        UsageError: The text does not name a source; the message lists the forms.
        CommandError: The text may be a folder that cannot be read.
    """
    if text in {standing.value for standing in Standing}:
        return Standing(text)
    kind, _, value = text.partition(":")
    if kind == "uid" and value.isascii() and value.isdecimal():
        if len(value) > len(str(MAX_UID)) or int(value) > MAX_UID:
            raise UsageError(f"uid:{value[:20]}: expected a uid from 0 to {MAX_UID}")
        return Named(uid=Uid(int(value)))
    if _HOTKEY.fullmatch(text.removeprefix("hotkey:")):
        return Named(hotkey=Hotkey(text.removeprefix("hotkey:")))
    if is_folder(Path(text)):
        return Local(folder=Path(text))
    if (match := _REPOSITORY.fullmatch(text)) is not None:
        return Published(repo=match[1], name=match[2])
    if kind in ("uid", "hotkey"):
        form = "uid:NUMBER" if kind == "uid" else "hotkey:ADDRESS, 48 characters such as 5F..."
        raise UsageError(f"{text}: expected {form}")
    raise UsageError(f"{text}: no such folder; expected {FORMS}")

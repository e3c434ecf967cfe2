"""Facts that hold unless this program has a bug, for values whose types do not say so."""

from __future__ import annotations

from typing import TypeVar

_T = TypeVar("_T")


def known(value: _T | None, fact: str) -> _T:
    """Return a value that is not ``None`` because of ``fact``, for example "it is finished".

    Raises:
        RuntimeError: It is ``None``, so there is a bug. Unlike an ``assert``, this is checked
            under ``python -O`` too.
    """
    if value is None:
        raise RuntimeError(f"a bug in sn37, this should hold: {fact}")
    return value


def checked(value: object, kind: type[_T], fact: str) -> _T:
    """Return a value that is of a type because of ``fact``.

    Raises:
        RuntimeError: It is of another type, so there is a bug.
    """
    if not isinstance(value, kind):
        raise RuntimeError(f"a bug in sn37, this should hold: {fact}; got a {type(value).__name__}")
    return value

"""English texts without a download: the documentation strings of the installed Python.

The files of the standard library are parsed, never imported. Rows depend on the installed
Python alone: one machine repeats a run exactly, and another Python gives other rows.
"""

from __future__ import annotations

import ast
import json
import re
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

from sn37.adapters.simnet.host.half_written import own, sweep
from sn37.durable import rename_whole

MIN_CHARS, MAX_CHARS = 80, 1_500  # of a response
_PASSAGE_CHARS = 200  # a response ends with the first paragraph that makes it this long
MAX_PAIRS = 8_000
MAX_FILE_BYTES = 150_000  # larger ones are tables, and slow to parse
_MIN_WORDS = 10
_MIN_LETTERS = 0.7  # share of letters and spaces: below it is a table or a listing
_MAX_SIGNATURE = 80  # characters
# Tests and data, modules that newer Pythons lack, and installed packages.
_SKIPPED = frozenset(
    {"__pycache__", "dist-packages", "distutils", "encodings", "ensurepip", "idle_test", "idlelib"}
    | {"lib2to3", "pydoc_data", "site-packages", "test", "tests", "turtledemo"}
)

Part = Literal["training", "live"]
_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Pair:
    """A question about one thing in the standard library, and what its documentation says."""

    topic: str  # its dotted name; long documentation gives several pairs
    prompt: str
    response: str


def standard_library_pairs(
    folder: Path | None = None, *, cache: Path | None = None
) -> tuple[Pair, ...]:
    """Return all pairs of the Python sources under ``folder``, in the order of their paths.

    No two responses are equal. Parsing takes about two seconds, once in each process.

    Args:
        folder: The installed Python's standard library when ``None``.
        cache: File that keeps the pairs for other processes; created if it is missing. With it
            the texts of a simnet run stay the same when Python is upgraded.

    Raises:
        OSError: ``folder`` does not exist, or ``cache`` cannot be read or written.
    """
    root = folder or Path(sysconfig.get_paths()["stdlib"])
    if cache is None:
        return _parsed(root)
    if not cache.exists():
        # Each writer uses its own name, so that none reads another's half-written file.
        sweep(cache.parent, f".{cache.name}-")
        written = cache.with_name(own(f".{cache.name}-"))
        rows = [[p.topic, p.prompt, p.response] for p in _parsed(root)]
        written.write_text(json.dumps(rows), encoding="utf-8")
        rename_whole(written, cache)
    return tuple(Pair(*row) for row in json.loads(cache.read_text(encoding="utf-8")))


@lru_cache(maxsize=1)
def _parsed(root: Path) -> tuple[Pair, ...]:
    if not root.is_dir():
        raise FileNotFoundError(f"no standard library at {root}; name the folder that holds it")
    pairs: dict[str, Pair] = {}
    for path in _sources(root):
        for pair in _pairs_of(path, _module_name(path.relative_to(root))):
            pairs.setdefault(pair.response, pair)
        if len(pairs) >= MAX_PAIRS:
            break
    return tuple(pairs.values())[:MAX_PAIRS]


def split(pairs: Iterable[Pair], part: Part) -> tuple[Pair, ...]:
    """Return the half for training, or the half that validators score.

    A hash of its name puts all pairs of a topic into the same half: miners never train on a
    text that is scored, nor on the paragraph before it.
    """
    wanted = 0 if part == "training" else 1
    return tuple(p for p in pairs if sha256(p.topic.encode()).digest()[0] % 2 == wanted)


def _sources(root: Path) -> list[Path]:
    return sorted(
        path
        for path in root.rglob("*.py")
        if not _SKIPPED.intersection(path.relative_to(root).parts)
        and path.stat().st_size <= MAX_FILE_BYTES
    )


def _module_name(relative: Path) -> str:
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _pairs_of(path: Path, module: str) -> Iterator[Pair]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # not valid in this Python
    yield from _walk(tree, module)


def _walk(node: _Documented, name: str) -> Iterator[Pair]:
    for number, passage in enumerate(_passages(ast.get_docstring(node) or "")):
        if _is_prose(passage):
            ask = f"Go on explaining, part {number + 1} of" if number else "Explain"
            prompt = f"{ask} `{name}{_signature(node)}` of the Python standard library."
            yield Pair(name, prompt, passage)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return  # functions inside functions are left out
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _walk(child, f"{name}.{child.name}")


def _signature(node: _Documented) -> str:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return ""
    signature = f"({ast.unparse(node.args)})"
    return signature if len(signature) <= _MAX_SIGNATURE else "(...)"


def _passages(docstring: str) -> Iterator[str]:
    """Split a docstring between paragraphs; a short one stays whole."""
    passage = ""
    for paragraph in re.split(r"\n\s*\n", docstring):
        passage = f"{passage}\n\n{paragraph.rstrip()}" if passage else paragraph.strip()
        if len(passage) >= _PASSAGE_CHARS:
            yield passage
            passage = ""
    if passage:
        yield passage


def _is_prose(text: str) -> bool:
    letters = sum(c.isalpha() or c == " " for c in text)
    return (
        MIN_CHARS <= len(text) <= MAX_CHARS
        and text.isascii()
        and text.replace("\n", "").isprintable()
        and len(text.split()) >= _MIN_WORDS
        and letters >= _MIN_LETTERS * len(text)
    )

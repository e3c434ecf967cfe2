"""What a release may say of itself, and which ones are taken."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sn37.domain.ids import Digest
from sn37.domain.release.release import MAX_FILE_BYTES, Here, Release, ReleaseFile, objection

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HERE = Here(running="0.1.0", newest="0.1.0", schema=2, now=NOON)


def a_file(
    name: str = "requirements.txt", *, sha256: str = "0" * 64, size_bytes: int = 100
) -> ReleaseFile:
    return ReleaseFile(name=name, sha256=Digest(sha256), size_bytes=size_bytes)


def a_release(version: str = "0.2.0", **changes: object) -> Release:
    major, minor, patch = (int(part) for part in version.split("."))
    fields: dict[str, object] = {
        "version": version,
        "version_key": 1_000_000 * major + 1_000 * minor + patch,
        "wheel": a_file(f"sn37-{version}-py3-none-any.whl"),
        "requirements": a_file(),
        "schema": 2,
        "oldest_schema": 0,
        "not_before": NOON,
        "expires_at": NOON + timedelta(days=90),
    }
    return Release(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_newer_release_within_its_time_is_taken() -> None:
    assert objection(a_release(), HERE) == ""
    assert objection(a_release(), replace(HERE, schema=None)) == ""


@pytest.mark.parametrize(
    ("release", "here", "why"),
    [
        (a_release(), {"now": NOON + timedelta(days=90)}, "has expired on 2027-02-21"),
        (a_release(), {"now": NOON - timedelta(seconds=1)}, "or check this machine's clock"),
        (a_release("0.1.0"), {}, "is already running"),
        (a_release("0.0.9"), {}, "older than 0.1.0, which is known here"),
        (a_release(), {"newest": "0.3.0"}, "older than 0.3.0, which is known here"),
        (a_release(), {"schema": 3}, "reads states up to version 2, the state here has version 3"),
        (
            a_release(oldest_schema=2),
            {"schema": 1},
            "from version 2 on, the state here has version 1",
        ),
    ],
)
def test_any_other_is_refused_with_its_reason(
    release: Release, here: dict[str, object], why: str
) -> None:
    assert why in objection(release, replace(HERE, **here))  # type: ignore[arg-type]


def test_an_older_release_is_taken_only_when_asked_for_and_while_it_reads_the_state() -> None:
    assert objection(a_release("0.0.9"), HERE, downgrade=True) == ""
    assert "reads states" in objection(a_release("0.0.9", schema=1), HERE, downgrade=True)


@pytest.mark.parametrize(
    "name",
    [
        "../wheel",
        "/etc/passwd",
        "a/b",
        "..",
        ".hidden",
        "",
        "-rf",
        "a b",
        "a\nb",
        "a\0b",
        "a" * 200,
    ],
)
def test_a_file_name_that_leads_elsewhere_is_none(name: str) -> None:
    with pytest.raises(ValueError, match="not a plain file name"):
        a_file(name)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sha256": "A" * 64}, "sha256"),
        ({"size_bytes": 0}, "0 bytes"),
        ({"size_bytes": MAX_FILE_BYTES + 1}, "bytes; 1 to"),
    ],
)
def test_a_file_has_a_hash_and_a_size_within_bounds(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        replace(a_file(), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": "0.2"}, "three numbers"),
        ({"version": "0.2.0rc1"}, "three numbers"),
        ({"version": "0.1000.0"}, "three numbers"),
        ({"version": "0.02.0"}, "three numbers"),
        ({"version_key": 2_001}, "version key 2001 is not that of 0.2.0"),
        ({"wheel": a_file("sn37-0.3.0-py3-none-any.whl")}, "its wheel is sn37-0.3.0"),
        ({"requirements": a_file("sn37-0.2.0-py3-none-any.whl")}, "one file"),
        ({"oldest_schema": 3}, "schemas 3 to 2"),
        ({"not_before": NOON + timedelta(days=90)}, "expires before"),
    ],
)
def test_a_release_that_cannot_be_is_none(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        replace(a_release(), **changes)  # type: ignore[arg-type]

"""Which files of the system a worker may use."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import sn37
from sn37.adapters.scoring.sandbox.landlock import READ, WRITE_FILE
from sn37.adapters.scoring.sandbox.paths import system_paths


def covers(folder: str, path: Path) -> bool:
    return path.resolve().is_relative_to(Path(folder).resolve())


def test_t25_nothing_may_be_written_but_a_gpu() -> None:
    assert {rights for _, rights in system_paths("cpu")} == {READ}
    written = [path for path, rights in system_paths("cuda") if rights & WRITE_FILE]
    assert all(path.startswith("/dev/nvidia") for path in written)


def test_t25_a_folder_that_code_was_imported_from_stays_closed_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout, with the validator's state beside the package."""
    (tmp_path / "a_package_beside").mkdir()
    (tmp_path / "a_package_beside" / "__init__.py").touch()
    (tmp_path / "state").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("a_package_beside")
    allowed = [path for path, _ in system_paths("cpu")]
    assert any(covers(path, tmp_path / "a_package_beside") for path in allowed)
    assert not any(covers(path, tmp_path / "state") for path in allowed)


def test_the_program_and_the_standard_library_can_be_imported() -> None:
    allowed = [path for path, _ in system_paths("cpu")]
    for module in (sn37, importlib):
        assert any(covers(path, Path(str(module.__file__))) for path in allowed)


@pytest.mark.parametrize(
    "path", ["/", "/etc", "/home", "/root", "/tmp", "/proc", "/dev", "/dev/shm"]
)
def test_t25_nothing_general_is_allowed(path: str) -> None:
    for device in ("cpu", "cuda"):
        assert path not in [allowed for allowed, _ in system_paths(device)]

"""Finding the data sets that installed packages offer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sn37.app.samples.plugins import dataset_names, dataset_plugin
from sn37.domain.schedule.competition import Freshness

PLUGIN = """
from sn37.domain.schedule.competition import Freshness

class Plugin:
    freshness = Freshness.NONE
    def open(self, parameters):
        raise ValueError("not needed here")

def build():
    return Plugin()

def wrong():
    return 3
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, into which packages can be put."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "sn37_test_plugin.py").write_text(PLUGIN)
    monkeypatch.delitem(sys.modules, "sn37_test_plugin", raising=False)
    return tmp_path


def offer(folder: Path, package: str, name: str, target: str) -> None:
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[sn37.datasets]\n{name} = {target}\n")


def test_an_installed_data_set_is_opened_by_its_name(install: Path) -> None:
    offer(install, "one", "test_rows", "sn37_test_plugin:build")
    assert "test_rows" in dataset_names()
    assert dataset_plugin("test_rows").freshness is Freshness.NONE


def test_asking_for_the_names_imports_nothing(install: Path) -> None:
    offer(install, "one", "test_rows", "sn37_test_plugin:build")
    dataset_names()
    assert "sn37_test_plugin" not in sys.modules


def test_an_unknown_name_is_told_with_the_installed_ones(install: Path) -> None:
    offer(install, "one", "test_rows", "sn37_test_plugin:build")
    with pytest.raises(LookupError, match=r"installed as 'absent'; installed: .*test_rows"):
        dataset_plugin("absent")


def test_two_packages_with_one_name_are_told_apart(install: Path) -> None:
    offer(install, "one", "test_rows", "sn37_test_plugin:build")
    offer(install, "two", "test_rows", "sn37_test_plugin:build")
    with pytest.raises(LookupError, match="'test_rows': one, two; uninstall one"):
        dataset_plugin("test_rows")


@pytest.mark.parametrize("target", ["sn37_no_such_module:build", "sn37_test_plugin:absent"])
def test_a_plugin_that_cannot_be_imported_is_told_with_its_package(
    install: Path, target: str
) -> None:
    offer(install, "one", "test_rows", target)
    with pytest.raises(LookupError, match="'test_rows' of one cannot be imported"):
        dataset_plugin("test_rows")


def test_a_factory_that_returns_something_else_is_told(install: Path) -> None:
    offer(install, "one", "test_rows", "sn37_test_plugin:wrong")
    with pytest.raises(LookupError, match="returned a int, which has no freshness and open"):
        dataset_plugin("test_rows")

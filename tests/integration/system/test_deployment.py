"""The examples for operators: container, timer, nightly switch to a staged release."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

import sn37
from sn37.adapters.releases.folder import InstallFolder
from sn37.app.config.settings import Settings
from sn37.domain.release.upgrade import Phase, Switch

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
SCRIPT = DEPLOY / "nightly-upgrade.sh"
UNITS = ("sn37-nightly-upgrade.service", "sn37-nightly-upgrade.timer")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def read_unit(name: str) -> ConfigParser:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(DEPLOY / name, encoding="utf-8")
    return unit


# Units


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    assert verify is not None, "install systemd, which checks the units"
    for name in UNITS:
        shutil.copy(DEPLOY / name, tmp_path)
    done = subprocess.run(
        [verify, "verify", *(str(tmp_path / name) for name in UNITS)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_timer_starts_the_service_of_its_name_with_the_settings_of_the_validator() -> None:
    service, timer = map(read_unit, UNITS)
    assert "Unit" not in timer["Timer"]  # so it is the one of the same name
    assert service["Service"]["ExecStart"].endswith(f"/{SCRIPT.name}")
    validator = read_unit("sn37-validator.service")
    assert service["Service"]["Environment"] == "SN37_CONFIG=/etc/sn37/validator.toml"
    assert "Environment=SN37_CONFIG=/etc/sn37/validator.toml" in (
        DEPLOY / "sn37-validator.service"
    ).read_text(encoding="utf-8")
    assert validator["Service"]["ExecStart"].startswith("/opt/sn37/current/bin/")


# The nightly switch


@pytest.fixture
def installed(tmp_path: Path) -> InstallFolder:
    """Release 0.1.0 runs; 0.2.0 is staged."""
    root = tmp_path / "opt"
    (root / "releases" / "0.1.0").mkdir(parents=True)
    folder = InstallFolder(root)
    folder.point_at("0.1.0")
    folder.begin("0.2.0")
    folder.complete("0.2.0", b"document")
    return folder


@pytest.fixture
def nightly(tmp_path: Path) -> Callable[[], tuple[int, str]]:
    """Run the script with the real list of releases; a switch is only printed."""
    program = tmp_path / "sn37"
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$2" = status ]; then\n'
        f'  exec {sys.executable} -m sn37.app.main "$@" --install-dir {tmp_path / "opt"}\n'
        "fi\n"
        'echo "called: $*"\n'
    )
    program.chmod(0o755)

    def run() -> tuple[int, str]:
        done = subprocess.run(
            ["/bin/sh", str(SCRIPT), str(program)],
            env={**os.environ, "PYTHONPATH": str(Path(sn37.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout.strip()

    return run


def noted(phase: Phase, *, new: str = "0.2.0", why: str = "") -> Switch:
    return Switch(old="0.1.0", new=new, phase=phase, backup="", schema=None, why=why)


def test_the_newest_staged_release_is_switched_to(
    installed: InstallFolder, nightly: Callable[[], tuple[int, str]]
) -> None:
    installed.begin("0.10.0")
    installed.complete("0.10.0", b"document")
    assert nightly() == (0, "called: upgrade switch 0.10.0")


def test_without_a_newer_release_nothing_happens(
    installed: InstallFolder, nightly: Callable[[], tuple[int, str]]
) -> None:
    installed.point_at("0.2.0")
    assert nightly() == (0, "no newer release is staged")


def test_a_release_that_was_returned_from_is_left_to_the_operator(
    installed: InstallFolder, nightly: Callable[[], tuple[int, str]]
) -> None:
    installed.record(noted(Phase.RETURNED, why="it was never healthy"))
    code, said = nightly()
    assert code == 0
    assert said.startswith("release 0.2.0 was tried and returned from")


def test_another_release_is_tried_after_one_that_failed(
    installed: InstallFolder, nightly: Callable[[], tuple[int, str]]
) -> None:
    installed.record(noted(Phase.RETURNED))
    installed.begin("0.2.1")
    installed.complete("0.2.1", b"document")
    assert nightly() == (0, "called: upgrade switch 0.2.1")


@pytest.mark.parametrize("phase", [Phase.PREPARING, Phase.SWITCHING])
def test_a_switch_that_was_interrupted_is_continued(
    installed: InstallFolder, nightly: Callable[[], tuple[int, str]], phase: Phase
) -> None:
    installed.record(noted(phase))
    installed.point_at("0.2.0")
    assert nightly() == (0, "called: upgrade switch 0.2.0")


def test_a_list_that_cannot_be_read_is_a_failure(nightly: Callable[[], tuple[int, str]]) -> None:
    code, said = nightly()
    assert code != 0
    assert "called" not in said


# The container


def test_the_composed_service_is_the_image_with_its_volume_and_settings() -> None:
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    (service,) = document["services"].values()
    build = service["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    (volume,) = service["volumes"]
    name, _, folder = volume.partition(":")
    assert name in document["volumes"]
    assert f"VOLUME {folder}\n" in DOCKERFILE
    variables = [*service["environment"], *re.findall(r"\b(SN37_[A-Z_]+)=", DOCKERFILE)]
    assert [v for v in variables if v[5:].lower() not in Settings.model_fields] == []
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


def test_the_lines_for_docker_name_what_the_composed_service_has() -> None:
    text = (ROOT / "docs" / "validator.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^    docker run (.*--detach.*)$", text, re.M)
    words = line.split()
    (service,) = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"].values()
    assert {"--gpus", "all", *service["volumes"]} <= set(words)
    assert words[words.index("--restart") + 1] == service["restart"]
    assert words[words.index("--stop-timeout") + 1] == service["stop_grace_period"].rstrip("s")
    assert words[words.index("--ulimit") + 1] == f"nofile={service['ulimits']['nofile']}"
    environment = service["environment"]
    assert words[-4:] == [
        "--network", environment["SN37_NETWORK"], "--wallet", environment["SN37_WALLET"]
    ]  # fmt: skip

"""Checks for the packages and the device that a run needs."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from sn37.app.config.settings import Settings
from sn37.app.errors import CommandError

SIMNET = ("bittensor", "torch", "transformers", "safetensors", "tokenizers")
DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # on Linux, and on Linux within Windows
REAL_NETWORKS = (*SIMNET, "cryptography", "huggingface_hub", "blake3")


def require_packages(settings: Settings) -> None:
    """Look for the packages without importing them.

    Raises:
        CommandError: Some are missing; says which, and how to install them.
    """
    needed = SIMNET if settings.is_simnet else REAL_NETWORKS
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise CommandError(
            f"the validator needs {', '.join(missing)}, which is not installed: "
            "run pip install 'sn37[validator]'"
        )


def require_device(settings: Settings) -> None:
    """Look for CUDA if the settings ask for it, without opening the device.

    Raises:
        CommandError: CUDA is missing; says what to do.
    """
    if settings.device != "cuda":
        return
    if not any(driver.exists() for driver in DRIVERS):
        raise CommandError(
            "--device cuda: NVIDIA's driver is not running; install it, or use --device cpu"
        )
    try:
        torch = version("torch")
    except PackageNotFoundError:
        return  # another check reports it
    if torch.endswith("+cpu"):
        raise CommandError(
            f"--device cuda: torch {torch} is built for CPUs only; install a build for CUDA, or "
            "use --device cpu"
        )


def require_web_client(settings: Settings) -> None:
    """Look for the client that reads receipts at an address, if the settings name one.

    Raises:
        CommandError: It is not installed; says how to install it.
    """
    addresses = [place for place in settings.cold_start_from if isinstance(place, str)]
    if addresses and find_spec("httpx2") is None:
        raise CommandError(
            f"--cold-start-from {addresses[0]}: an address needs httpx2, which is not installed: "
            "run pip install 'sn37[hub]', or copy the rounds to a folder"
        )

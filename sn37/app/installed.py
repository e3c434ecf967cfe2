"""Which packages a run needs, and what to install when they are missing."""

from __future__ import annotations

from importlib.util import find_spec

from sn37.app.cli_errors import CommandError
from sn37.app.settings import Settings

SIMNET = ("bittensor", "torch", "transformers", "safetensors", "tokenizers")
REAL_NETWORKS = (*SIMNET, "cryptography", "huggingface_hub", "blake3")


def require_packages(settings: Settings) -> None:
    """Look for the packages without importing them.

    Raises:
        CommandError: Some are missing; says which, and how to get them.
    """
    needed = SIMNET if settings.is_simnet else REAL_NETWORKS
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise CommandError(
            f"the validator needs {', '.join(missing)}, not installed here: "
            "run pip install 'sn37[validator]'"
        )

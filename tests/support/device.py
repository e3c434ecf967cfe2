"""The device that models of the tests are scored and trained on: the CPU, or what
``TEST_DEVICE`` names. docs/verification.md has the command for a GPU."""

from __future__ import annotations

import os

from sn37.adapters.scoring.scorer import Device

DEVICE: Device = "cuda" if os.environ.get("TEST_DEVICE") == "cuda" else "cpu"

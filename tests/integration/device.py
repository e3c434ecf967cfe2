"""The device that models of the tests are scored and trained on: the CPU, or what
``SN37_TEST_DEVICE`` names. docs/verification.md has the command for a GPU."""

from __future__ import annotations

import os

from sn37.adapters.cuda.scorer import Device

DEVICE: Device = "cuda" if os.environ.get("SN37_TEST_DEVICE") == "cuda" else "cpu"

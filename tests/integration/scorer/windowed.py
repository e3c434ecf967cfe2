"""Small models whose attention reaches back a few tokens only."""

from __future__ import annotations

from typing import Any

WINDOWED: dict[str, dict[str, Any]] = {
    "gemma2": {"sliding_window": 8},
    "mistral": {"sliding_window": 8},
    "phi3": {"sliding_window": 8},
    "qwen2": {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 0},
}

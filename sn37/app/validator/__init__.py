"""``python -m sn37.app.validator``."""

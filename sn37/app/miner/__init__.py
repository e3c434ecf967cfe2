"""``python -m sn37.app.miner``."""

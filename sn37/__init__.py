"""Subnet 37: fine-tuning competitions on Bittensor."""

__version__ = "0.1.0"

"""Adapters to the Bittensor chain through the SDK's client."""

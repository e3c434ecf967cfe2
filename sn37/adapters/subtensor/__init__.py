"""The Bittensor chain, through the SDK's own client."""

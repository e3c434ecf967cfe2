"""What a miner does: find a base, check, evaluate, publish."""

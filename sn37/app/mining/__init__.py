"""Use cases of a miner: find a base, check, evaluate, publish."""

"""Models on disk: inventory, expected downloads and eviction."""

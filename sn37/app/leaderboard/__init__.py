"""The leaderboard: what its pages show, computed from a validator's record."""

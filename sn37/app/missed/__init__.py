"""Later scoring of rounds that a validator missed."""

"""Rules of a round: which entries take part, and which one wins."""

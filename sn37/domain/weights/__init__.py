"""From winners to shares of the emission."""

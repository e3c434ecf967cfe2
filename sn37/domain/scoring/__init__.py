"""From samples to losses."""

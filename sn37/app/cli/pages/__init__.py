"""Commands that show a record to others."""

"""Which models are on disk and which may go."""

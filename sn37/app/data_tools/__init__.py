"""Looking at data sources and checking new ones."""

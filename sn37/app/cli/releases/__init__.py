"""Commands of releases: what operators do with them, and what maintainers do."""

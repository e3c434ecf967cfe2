"""Help pages, progress and reports of commands."""

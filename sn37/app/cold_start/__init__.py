"""Starting with an empty state from the records of other validators."""

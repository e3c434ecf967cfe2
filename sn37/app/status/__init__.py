"""The status of a validator and of submissions, for the command `sn37 status`."""

"""Commands that print a status: of a validator, of submissions, of a commitment."""

"""The rules of the subnet: pure functions over frozen values, standard library only."""

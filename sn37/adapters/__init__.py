"""Adapters of the ports; see the packages below."""

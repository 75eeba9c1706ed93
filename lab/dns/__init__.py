"""The DNS world: sending domains, reverse zones, and block lists that are healthy or sick in every known way."""

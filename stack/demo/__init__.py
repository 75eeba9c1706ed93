"""Six simulated weeks of a fleet, through the DAGs themselves, against the lab."""

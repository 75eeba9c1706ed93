"""Is an MTA host well? Facts of one look to findings."""

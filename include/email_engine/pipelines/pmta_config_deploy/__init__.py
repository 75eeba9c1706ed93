"""PowerMTA's configuration follows the fleet: planned, guarded, put on a host, verified, watched, or taken back."""

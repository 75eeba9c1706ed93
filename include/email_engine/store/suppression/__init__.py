"""Table `suppressions`: noted by the ingest, judged, told and counted by the suppression sync."""

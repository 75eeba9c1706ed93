"""What follows a listing: its dossier, the cause that a person names, re-checks, and its end."""

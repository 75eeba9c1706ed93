"""What a person may answer to the question about a listing. DAG files import it: it imports nothing."""

NAMED, TAKEN, GIVEN_UP, REPLACED = "Mended", "On it", "Give up", "Replace"
OPTIONS = (NAMED, TAKEN, GIVEN_UP, REPLACED)
"""Four are buttons in one row of Airflow's page: together they are no wider than a phone."""

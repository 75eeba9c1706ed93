"""What a person may answer to the question about a listing. DAG files import it: it imports nothing."""

NAMED, TAKEN = "Cause found and mended", "I take care of it"
GIVEN_UP, REPLACED = "Give the IP up", "Give up, replace from standby"
OPTIONS = (NAMED, TAKEN, GIVEN_UP, REPLACED)

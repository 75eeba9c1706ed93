"""A strict stand-in of a PowerMTA host, written from the facts about PowerMTA alone."""

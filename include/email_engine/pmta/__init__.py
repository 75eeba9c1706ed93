"""PowerMTA: its configuration as a language, what is wrong in one, and what the engine writes."""

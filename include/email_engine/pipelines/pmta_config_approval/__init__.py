"""A person's yes or no to what the guard stopped: the question, its page, and what follows from the answer."""

"""Recipient lists: addresses that cannot take mail, and people who are silent. It judges; nobody is taken off a list here."""

"""DKIM keys on hosts, and their rotation."""

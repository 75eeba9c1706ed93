"""DKIM keys of sending domains: their stages, when one is due, what follows next. Pure."""

"""Whom no mail may reach any more, and why: what suppresses, soft bounces in a row, an outage's false answers; pure."""

"""Brakes: what makes an IP stand still now, in PowerMTA and in MailWizz, and what people are told of it."""

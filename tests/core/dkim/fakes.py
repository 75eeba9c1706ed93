"""Names and keys of the tests about DKIM keys."""

DOMAINS = ("news1.aurora-mail.example", "mail2.aurora-mail.example", "letter3.aurora-mail.example")
"""The sending domains of the lab's tenant aurora, by the number of their IP."""

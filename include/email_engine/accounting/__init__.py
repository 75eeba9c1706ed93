"""PowerMTA accounting files: rows to counts per source, mailbox provider and hour; what replies mean."""

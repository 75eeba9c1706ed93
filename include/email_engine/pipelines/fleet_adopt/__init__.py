"""From a fleet that sends already to a fleet file in observe: nothing is written to hosts, MailWizz or the engine's tables."""

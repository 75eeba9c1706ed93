"""MailWizz as the core sees it: delivery servers, and the quotas that follow from allowances."""

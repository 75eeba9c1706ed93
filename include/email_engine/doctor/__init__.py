"""`email-engine doctor`: what a new operator must get right, looked at one by one."""

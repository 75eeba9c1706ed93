"""The steps by which `adopt` makes a fleet draft of an operator's configuration."""

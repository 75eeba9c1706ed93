"""How an existing fleet comes aboard: an operator's configuration to a draft of fleet.yaml."""

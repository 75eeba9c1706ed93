"""Stand-ins for what cannot be had freely. Shares no code with the product, so that each catches the other's mistakes."""

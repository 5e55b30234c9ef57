"""Who may have a turn: shares of what may be under way at once, and who is next when one is free."""

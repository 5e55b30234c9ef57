"""Credits of the accounts, and what the provider costs."""

"""The credits of accounts, and what predictions cost at the provider."""

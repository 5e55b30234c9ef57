"""Content safety, pure: policies, verdicts, the blocklist, and reading texts as a reader sees them."""

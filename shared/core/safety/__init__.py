"""Content safety, the pure part: scores, verdicts, policy, the own list of terms, disguised texts."""

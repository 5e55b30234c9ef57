"""What a provider says and does, in our own words: predictions, failures, callbacks, files, pace and breaker."""

"""What a provider reports and does, in Darkroom's terms: predictions, failures, callbacks, files, pace, breaker."""

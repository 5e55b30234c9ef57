"""What a developer runs: set-up, checks and tests, the local stack and its simulators. Never imported by the app."""

"""The commands of accounts: what a backend, an operator or an approver sends to the queue ``account-commands``."""

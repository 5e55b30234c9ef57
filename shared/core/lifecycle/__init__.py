"""The state machine of a generation: every state, every transition, and nothing else."""

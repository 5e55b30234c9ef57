"""The configuration: settings from the environment, and the data files that they name."""

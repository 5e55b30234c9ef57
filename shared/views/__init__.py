"""How a generation is shown: the same for the command line, an HTTP API and a console."""

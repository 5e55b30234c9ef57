"""What is shown of a generation or an account: the same for the command line, the HTTP API and a console."""

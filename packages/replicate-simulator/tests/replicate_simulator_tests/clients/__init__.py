"""What the clients do, each a script of its own: run by test_clients.py in the folder of its client."""

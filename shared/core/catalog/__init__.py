"""The models on offer: which one serves a request, what it is sent, and what that costs."""

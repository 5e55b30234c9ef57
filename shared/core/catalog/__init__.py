"""The models that are offered: which one serves a request, what is sent to it, what that costs."""

"""The design of the FLUX guide."""

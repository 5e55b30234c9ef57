"""The rules of the house, pure: no I/O, no clock, no random, no environment, no logging.

Everything here is a frozen value or a plain function of values; time, seeds and ids are arguments.
"""

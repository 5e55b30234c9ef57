"""The rules of Darkroom, pure: no I/O, no clock, no randomness, no environment, no logging.

Everything here is a frozen value or a pure function of values. Times, seeds and ids are arguments.
"""

"""The proof that nothing is charged twice, lost, or stuck. Its engine is dev/simulation; the tests here only assert.

guards.py           the guards of the message handler, each with the test that is red without it
*_guards.py         more of them, by what they guard; every_guard.py: all of them
guard_copies.py     a copy of the project in which a guard is taken out
guard_server.py     the process that runs the tests there
"""

"""The proof that nothing is charged twice, lost, or stuck: on fakes, and on a clock of its own.

effects.py          every call that leaves the corridor, one by one, and the ways in which it can go wrong
invariants.py       what must hold after every step, and what must hold at rest
schedules.py        one flow, one fault, one kind of webhook, one end at Replicate: a schedule, and how it is run
flows.py            the flows; modality_flows.py: those of what is no picture
simulation.py       many users, many faults, two processes, one seed
clockwork.py        its time and its turns
weather.py          its faults
replicate_life.py   how predictions live in it
guards.py           the guards of the corridor, each with the test that is red without it
"""

"""The crash simulator: the message handler on fakes, on a clock of its own, with every fault at every effect.

effects.py            every call that leaves the message handler, one by one, and the ways in which it can go wrong
invariants.py         what must hold after every step, and what must hold at rest
schedules.py          one flow, one fault, one kind of webhook, one end at Replicate: a schedule, and its stage
performing.py         how schedules are performed, and what those of one flow have in common
snapshots.py          copies of all that can change
flows.py              the flows; modality_flows.py: those of what is no picture; picture_flows.py: pictures looked at
tallies.py            what the flows came to, shared by the processes of one run
simulation.py         many users, many faults, two processes, one seed
clockwork.py          its time and its turns
weather.py            its faults
replicate_life.py     how predictions live in it
outage.py             an hour without Replicate under load
outage_dependencies.py  what fails in it
"""

"""The crash simulator: runs the message handler on fakes and a virtual clock, with every fault at every effect.

effects.py            the calls that leave the message handler, and the ways in which each can go wrong
invariants.py         what must hold after every step, and what must hold at rest
cases.py              how a prediction ends, how its webhooks come, and who has asked for that
schedules.py          a schedule (one flow, one fault, one kind of webhook, one end at Replicate) and its stage
performing.py         runs schedules; those that come to the same state are decided together
snapshots.py          copies of the mutable state
digests.py            whether two states are the same
logs.py               what the fakes write down, as far as an invariant reads it
flows.py              the flows; modality_flows.py: text, sound, training; picture_flows.py: input pictures
tallies.py            the results of the flows, shared by the processes of one run
simulation.py         many users, many faults, two processes, one seed
clockwork.py          the time of the simulation, and the order in which handlers run
users.py              what its users do; approvers.py: those who are asked for an approval
weather.py            the faults of the simulation
replicate_life.py     the lives of its predictions
outage.py             an hour without Replicate under load
outage_dependencies.py  the dependencies that fail in the outage
"""

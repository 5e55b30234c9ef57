"""The operators' command line: ``python3 -m shared.cli --help``.

main.py         the map of all commands, and run()
desk.py         what every command stands on: settings, wiring, where the answer goes, the exit code
screen.py       printing: plain text, tables and JSON that can be read on a terminal and through a pipe
generations.py  submit, cancel, show, open
describing.py   a generation as facts for a person and as JSON
accounts.py     grant, account, audit, correct
letters.py      dead-letters list, show, replay
moderation.py   moderation explain, diff
catalog.py      catalog check
state.py        settings, health

It stands on top of shared/composition/app.py and goes through the same corridor and the same ports as the app;
function_app.py never imports it.
"""

"""The operators' command line: ``python3 -m shared.cli --help``.

main.py          the map of all commands, and run()
context.py       what every command uses: the settings, the app, where the answer goes, the exit code
printing.py      plain text, tables and JSON that can be read on a terminal and through a pipe
submitting.py    submit
uploads.py       upload
generations.py   cancel, show, open
accounts.py      grant, terms, account, audit, correct
usage.py         usage
dead_letters.py  dead-letters list, show, replay
receipts.py      receipt, keys
ledgers.py       account statement, account verify
moderation.py    moderation explain, diff
catalog.py       catalog list, check
state.py         settings, health

It builds on shared/composition/app.py and uses the same message handler and the same ports as the app. function_app.py
never imports it.
"""

"""The operators' command line: ``python3 -m shared.cli --help``.

main.py               the map of all commands, and run()
context.py            what every command uses: the settings, the app, where the answer goes, the exit code
printing.py           plain text, tables and JSON that can be read on a terminal and through a pipe
stdout.py             a stdout that cannot be written
submitting.py         submit
quoting.py            quote
uploads.py            upload
training.py           train; training_folder.py packs the folder, trainers.py looks up what is not offered
destinations.py       destination
trained_versions.py   version
generations.py        cancel, show, open
approving.py          approve, deny
receipts.py           receipt, keys
accounts.py           grant, audit, correct
account_settings.py   account; account_view.py shows one, ledgers.py has its ledger, account_commands.py its queue
app_limits.py         app-limits
pausing.py            pause, resume, paused
usage.py              usage, with usage_by_day.py and usage_reconcile.py
dead_letters.py       dead-letters
catalog.py            catalog; each longer command has a file, catalog_*.py has what they share
moderation.py         moderation
state.py              settings, health, token

It builds on shared/composition/app.py and uses the same message handler and the same ports as the app. function_app.py
never imports it.
"""

"""Darkroom: a message goes in, a picture comes out, and the user pays for it exactly once.

The map of the house. Imports run one way, downwards; import-linter holds that in ``python3 -m dev check``.

    function_app.py   the doors: queue, webhook, timer and dead letters, handed on and nothing more
    shared/composition/app.py  what the doors do with the rooms, once per event loop
    shared/composition/container.py     Settings -> House, lazily; the only importer of adapters
    shared/cli/       the operators' commands
    shared/worker/    the corridor: handle() reads every message; saving.py is the only place that saves
    shared/triggers/replicate_webhook.py   what the webhook's door does itself: size, signature, callback, shape
    shared/adapters/  a file or a folder per dependency: it parses at its border and owns its errors
    shared/ports/     Dependencies and its Protocols: all that is needed from outside
    shared/core/      pure: the state machine, the credits, the catalogue, the messages
    shared/config/settings.py        the environment, read in one place
    shared/config/data_files.py       the catalogue, the policy and the term list, read from their files
    shared/triggers/health.py          which dependencies answer
    shared/triggers/audit.py         the audit's night: what it tells, and that it comes to an end
    shared/composition/invocation.py           what a call needs first: its bound in time, and the house
    shared/adapters/azure_storage/access.py  the ways into a storage account, for adapters that need no SDK
"""

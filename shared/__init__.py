"""Darkroom: a message goes in, a picture comes out, and the user pays for it exactly once.

The map. Imports run one way, downwards; import-linter holds that in ``python3 -m dev check``.

    function_app.py      triggers and routes: handed on and nothing more
    shared/cli/          the operators' commands
    shared/composition/  Settings -> Dependencies, lazily, once per event loop; the only importer of adapters
        invocation.py    what a call needs first: its bound in time, and the app
        app.py           the app: all dependencies, and what the triggers do with them
        container.py     the container; part.py, azure.py, replicate.py and safety.py make what it has
    shared/triggers/     what each trigger does with what it was given: handlers.py for queues and timers,
                         replicate_webhook.py, health.py, audit.py
    shared/worker/       the message handler: handle() reads every message; saving.py is the only place that saves
    shared/views/        what people are shown
    shared/adapters/     a file or a folder per dependency: it parses at its border and owns its errors
        azure_storage/   access.py the ways in, transport.py requests without an SDK, tables/, blobs/
        net/             what adapters share on the network
    shared/config/       the environment, and the catalogue, the policy and the blocklist, read in one place
    shared/ports/        Dependencies and its Protocols: all that is needed from outside
    shared/core/         pure: the state machine, the credits, the catalogue, the messages
"""

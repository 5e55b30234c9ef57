"""Darkroom: a message goes in, a picture comes out, and the user pays for it exactly once.

The map. Imports go one way, downwards; import-linter checks that in ``python3 -m dev check``.

    function_app.py      triggers and routes: each only calls its handler
    shared/cli/          the operators' commands
    shared/composition/  Settings -> Dependencies, lazily, once per event loop; the only importer of adapters
        invocation.py    what every invocation needs first: a time limit, and the app
        app.py           the app: all dependencies, and the operations that the triggers call
        container.py     the container; part.py, azure.py, replicate.py and safety.py build its parts
            shared/triggers/     what each trigger does with its message or request: handlers.py for queues and timers,
                         replicate_webhook.py, health.py, audit.py
    shared/worker/       the message handler: handle() reads every message; saving.py is the only place that saves
    shared/views/        what the commands and pages show
    shared/adapters/     a file or folder per dependency: it parses the answers and raises errors of its own
        azure_storage/   access.py credentials and signing, transport.py requests without an SDK, tables/, blobs/
        net/             what adapters share for HTTP
    shared/config/       the environment, and the catalogue, the policy and the blocklist, all read in one place
    shared/ports/        Dependencies and its Protocols: everything that the worker needs from outside
    shared/core/         pure: the state machine, the credits, the catalogue, the messages
"""

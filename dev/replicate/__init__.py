"""A Replicate simulator: the predictions API, its outputs and its webhooks, on loopback, with faults on demand.

    python -m dev.replicate [--port 0] [--token r8_...] [--webhook-secret whsec_...] [--time-scale 1.0]
                            [--exit-with-stdin]

    clock.py        simulated time: compressed, and moved forward on demand
    problems.py     the error bodies Replicate really sends
    models.py       three FLUX models: inputs, limits, output shape, picture size
    schemas.py      a request body and its headers, checked as the API checks them
    predictions.py  PURE: the life of one prediction
    pictures.py     the pictures
    webhooks.py     signature, delivery, retries
    faults.py       what shall go wrong, how often, and for whom
    engine.py       the running simulator: predictions, their tasks, the counters
    api.py          /v1: what an account sees
    delivery.py     /delivery: the output files
    admin.py        /_sim: what a test or the demo switches
    server.py       the three put together
    serving.py      a process that serves until it is told to stop

Not simulated: rate limits by themselves (a fault gives them), `Prefer: wait` (ignored, as a preference may be),
streaming, files, trainings, models other than the three.
"""

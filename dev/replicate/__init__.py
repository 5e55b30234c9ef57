"""A Replicate simulator: the whole HTTP API, outputs, streams and webhooks, on loopback, with faults on demand.

    python -m dev.replicate [--port 0] [--token r8_...] [--webhook-secret whsec_...] [--time-scale 1.0]
                            [--exit-with-stdin]

    clock.py           simulated time: compressed, and moved forward on demand
    problems.py        the error bodies Replicate really sends
    models.py          what runs: inputs, limits, output shape, picture size
    schemas.py         a request body and its headers, checked as the API checks them
    predictions.py     PURE: the life of one prediction, or training
    library.py         models with their versions, deployments, files
    pictures.py        the pictures
    webhooks.py        signature, delivery, retries
    faults.py          what shall go wrong, how often, and for whom
    engine.py          the running simulator: predictions, their tasks, the counters
    api.py             /v1: predictions, account, webhook secret, as an account sees them
    model_api.py       /v1: models, versions, collections, hardware, search
    deployment_api.py  /v1: deployments
    training_api.py    /v1: trainings
    file_api.py        /v1: files
    paging.py          lists, page by page
    streaming.py       /stream: a text as server-sent events
    delivery.py        /delivery: the output files
    admin.py           /_sim: what a test or the demo switches
    server.py          all of it put together
    serving.py         a process that serves until it is told to stop

Not simulated: rate limits by themselves (a fault gives them), other models than those of models.py, and the weights
that a training has made.
"""

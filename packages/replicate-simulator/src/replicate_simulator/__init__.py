"""A Replicate simulator: the whole HTTP API, outputs, streams and webhooks, on loopback, with faults on demand.

    python -m replicate_simulator [--port 0] [--token r8_...] [--webhook-secret whsec_...] [--time-scale 1.0]
                            [--catalog FILE] [--destination NAME] [--exit-with-stdin]

    clock.py           simulated time: compressed, and moved forward on demand
    problems.py        the error bodies Replicate really sends
    models.py          what a model is; those that are written by hand
    catalog.py       the models of the app's catalog
    schemas.py         a request body and its headers, checked as the API checks them
    targets.py         what a request names: a model, a version, a deployment, a trainer
    forms.py           PURE: what an input asks for: size, length, file format
    metrics.py         PURE: what a prediction is billed by
    predictions.py     PURE: the life of one prediction, or training
    plans.py           PURE: how it will go, with what its faults do to it
    library.py         models with their versions, deployments, files
    outputs.py         what a prediction makes, and its files:
    pictures.py  videos.py  sounds.py  texts.py  weights.py
    fetching.py        the files that an input names
    webhooks.py        signature, delivery, retries
    faults.py          what shall go wrong, how often, and for whom
    outages.py         what shall go wrong with everything, for how long
    engine.py          the running simulator: predictions, their tasks, the counters
    api.py             /v1: predictions, account, webhook secret, as an account sees them
    model_api.py       /v1: models, versions, collections, hardware, search
    deployment_api.py  /v1: deployments
    training_api.py    /v1: trainings
    file_api.py        /v1: files
    paging.py          lists, page by page
    streaming.py       /stream: outputs as server-sent events
    clients.py         what Replicate's own clients want to know
    delivery.py        /delivery: the output files
    admin.py           /_sim: what a test or the demo switches
    server.py          all of it put together
    serving.py         a process that serves until it is told to stop

Every model of the app's catalog runs here but the retired ones: an official model by its name, a community model by
its version. Of the account's own models there is `local/portraits` from the beginning, for a training's
version; --destination adds others.

Not simulated: rate limits by themselves (a fault gives them), and what a model makes of an input beyond its prompt, its
seed, its size and its length.
"""

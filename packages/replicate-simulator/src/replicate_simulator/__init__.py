"""A simulator of Replicate's HTTP API on loopback, with faults on demand, and one of Azure AI Content Safety.

README.md says how to use them, what they speak and what they do not. The modules:

    clock.py           simulated time: it runs faster than real time, and jumps forward on demand
    models.py          what a model is, and the models that are built in
    catalog.py         more models, from a file
    library.py         what the account sees besides predictions: models, versions, deployments, files
    schemas.py         checks a request's body and headers as the API does
    targets.py         finds what a request names: a model, a version, a deployment, a trainer
    forms.py           PURE: the size, length and file format that an input asks for
    predictions.py     PURE: the life of a prediction or a training
    plans.py           PURE: how a prediction will go, given its faults
    metrics.py         PURE: the counts that a prediction is billed by
    outputs.py         makes what a prediction has as output, with
                       pictures.py  videos.py  sounds.py  texts.py  weights.py
    fetching.py        reads the files that an input names
    webhooks.py        signs webhooks, sends them, tries again
    faults.py          what goes wrong, how often, and for which request
    outages.py         what goes wrong with every request, for how long
    engine.py          the running simulator: predictions, their tasks, the counters
    api.py             /v1: predictions, account, webhook secret
    model_api.py       /v1: models, versions, collections, hardware, search
    deployment_api.py  /v1: deployments
    training_api.py    /v1: trainings
    file_api.py        /v1: files
    paging.py          a list, page by page
    streaming.py       /stream: an output as server-sent events
    delivery.py        /delivery: the output files
    admin.py           /_sim: what a test switches
    problems.py        the bodies of Replicate's errors
    unspoken.py        refuses by its name what is not simulated
    server.py          all routes in one application
    serving.py         serves an application on loopback, in a process of its own or in this one
    child.py           runs the simulator as a child process
    clients.py         the environment that Replicate's own clients read

    content_safety.py  the Content Safety simulator
    markers.py         the square that makes a picture unsafe: one simulator draws it, the other finds it

Rules: nothing leaves the machine. Nothing here imports a program that is tested with it; what the simulator has to know
of such a program is an argument or a file.
"""

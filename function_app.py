"""The triggers of Darkroom: each function passes its message, HTTP request or timer tick to shared/triggers.

Rules of this file:
1. It has no business rule, and fewer than 140 lines.
2. The Functions host can index it with no setting and no network. It imports almost nothing, because every worker that
   starts reads it and some workers are never called. The first call imports the app; nothing is read or connected
   before that.
3. Queue triggers are BINARY. Otherwise the keys of a JSON body would overwrite the message's own metadata.
4. Every function is async and bounded in time. It returns None unless it answers HTTP.
"""

import gc
import json

import azure.functions as func

from shared.composition.invocation import (
    app_for_dead_letters,
    app_for_messages,
    bounded,
    check_health,
    run_on_timer,
    running_app,
)

gc.set_threshold(10_000, 20, 50)  # objects made at start stay: scanning them took 5 % of all CPU

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

#: Far below functionTimeout (host.json, 5 minutes): when that passes, the host restarts the worker and every running
#: call is lost. INVOCATION_TIMEOUT_S bounds the work inside a call; this is the last resort around it.
LAST_RESORT_S = 270

_BINARY = func.DataType.BINARY


@app.function_name("generate")
@app.service_bus_queue_trigger("msg", "ServiceBus", "%GENERATION_QUEUE%", data_type=_BINARY)
@bounded(LAST_RESORT_S)
async def generate(msg: func.ServiceBusMessage) -> None:
    """Process a message of the generation queue: a request or a cancel."""
    async with app_for_messages() as ready:
        await ready.handlers.generate(msg)


@app.function_name("observe")
@app.service_bus_queue_trigger("msg", "ServiceBus", "%PREDICTION_QUEUE%", data_type=_BINARY)
@bounded(LAST_RESORT_S)
async def observe(msg: func.ServiceBusMessage) -> None:
    """Process a message of the prediction queue: an event from the webhook or a check from the timer."""
    async with app_for_messages() as ready:
        await ready.handlers.observe(msg)


@app.function_name("command")
@app.service_bus_queue_trigger("msg", "ServiceBus", "%COMMAND_QUEUE%", data_type=_BINARY)
@bounded(LAST_RESORT_S)
async def command(msg: func.ServiceBusMessage) -> None:
    """Process a command about an account."""
    async with app_for_messages() as ready:
        await ready.command_handlers.command(msg)


@app.function_name("dead_letter_requests")
@app.service_bus_queue_trigger("msg", "ServiceBus", "%GENERATION_QUEUE%/$DeadLetterQueue", data_type=_BINARY)
@bounded(LAST_RESORT_S)
async def dead_letter_requests(msg: func.ServiceBusMessage) -> None:
    """Archive a dead letter of the generation queue and end its generation."""
    async with app_for_dead_letters() as ready:
        await ready.handlers.dead_letter_requests(msg)


@app.function_name("dead_letter_events")
@app.service_bus_queue_trigger("msg", "ServiceBus", "%PREDICTION_QUEUE%/$DeadLetterQueue", data_type=_BINARY)
@bounded(LAST_RESORT_S)
async def dead_letter_events(msg: func.ServiceBusMessage) -> None:
    """Archive a dead letter of the prediction queue and end its generation."""
    async with app_for_dead_letters() as ready:
        await ready.handlers.dead_letter_events(msg)


@app.function_name("dead_letter_commands")
@app.service_bus_queue_trigger("msg", "ServiceBus", "%COMMAND_QUEUE%/$DeadLetterQueue", data_type=_BINARY)
@bounded(LAST_RESORT_S)
async def dead_letter_commands(msg: func.ServiceBusMessage) -> None:
    """Archive a dead letter of the queue of commands."""
    async with app_for_dead_letters() as ready:
        await ready.command_handlers.dead_letter(msg)


@app.function_name("replicate_webhook")
@app.route("webhooks/replicate", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@bounded(LAST_RESORT_S)
async def replicate_webhook(req: func.HttpRequest) -> func.HttpResponse:
    """Accept a webhook of Replicate about a prediction. Its signature is the authentication."""
    answer = await running_app().receive(req.headers, req.params, req.get_body())
    return func.HttpResponse(answer.text, status_code=answer.status, mimetype="text/plain")


@app.function_name("reconcile")
@app.timer_trigger("timer", "%RECONCILE_SCHEDULE%")
@bounded(LAST_RESORT_S)
async def reconcile(timer: func.TimerRequest) -> None:  # noqa: ARG001  # the host binds it by this name
    """Enqueue a check of each overdue generation."""
    await run_on_timer(lambda ready: ready.handlers.reconcile())


@app.function_name("audit")
@app.timer_trigger("timer", "%AUDIT_SCHEDULE%")
@bounded(LAST_RESORT_S)
async def audit(timer: func.TimerRequest) -> None:  # noqa: ARG001  # as above
    """Compare each account that has moved with its ledger, and delete files that were kept long enough."""
    await run_on_timer(lambda ready: ready.handlers.audit())


@app.function_name("health")
@app.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@bounded(LAST_RESORT_S)
async def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  # as above
    """Answer with the state of each dependency; the status is 503 unless all are ok, with or without a note."""
    well, dependencies = await check_health()
    return func.HttpResponse(json.dumps(dependencies), status_code=200 if well else 503, mimetype="application/json")

"""Telemetry: structured records, few of them, at the level that they deserve."""

import logging

import pytest

from shared.adapters.telemetry import LogTelemetry
from shared.core.keys import Key
from shared.core.lifecycle.steps import LogStep, Step
from shared.core.metric import Metric
from shared.ports import Telemetry

KEY = Key("ada", "one")


def walked(telemetry: Telemetry) -> None:
    """The steps of a generation that goes well."""
    for name in (LogStep.RECEIVED, LogStep.PROMPT_ALLOWED, Step.CREDITS_HELD, Step.PREDICTION_CREATED):
        telemetry.step(name, KEY)
    for name in (LogStep.OBSERVED, LogStep.OUTPUT_SCREENED):
        telemetry.step(name, KEY)
    telemetry.step(LogStep.OUTPUT_STORED, KEY, index=0, bytes=1234)
    telemetry.step(Step.CAPTURED, KEY, credits=1)
    telemetry.step(LogStep.PUBLISHED, KEY, outcome="succeeded", reason="")


def test_the_straight_way_is_one_record(caplog: pytest.LogCaptureFixture) -> None:
    """At INFO a generation that goes well leaves its end only; it may be four records at most."""
    caplog.set_level(logging.INFO, logger="darkroom")
    walked(LogTelemetry())
    assert [record.getMessage() for record in caplog.records] == ["published ada/ada/one outcome=succeeded"]


def test_every_step_is_there_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    """For a closer look all of them are, with their facts."""
    caplog.set_level(logging.DEBUG, logger="darkroom")
    walked(LogTelemetry())
    assert len(caplog.records) == 9
    assert "output_stored ada/ada/one index=0 bytes=1234" in caplog.text


def test_a_step_has_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    """A query finds step, ids and facts without reading the text."""
    caplog.set_level(logging.DEBUG, logger="darkroom")
    LogTelemetry().step(Step.CREDITS_HELD, KEY, credits=2)
    (record,) = caplog.records
    assert record.name == "darkroom.steps"
    assert record.levelno == logging.DEBUG
    fields = record.__dict__
    assert (fields["step"], fields["user_id"], fields["generation_id"]) == ("credits_held", "ada", "one")
    assert fields["credits"] == 2


def test_a_model_that_failed_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """What the provider said of it is there at any level that anybody runs."""
    caplog.set_level(logging.WARNING, logger="darkroom")
    LogTelemetry().step(Step.PREDICTION_FAILED, KEY, model="flux-dev", kind="model", said="list index out of range")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.__dict__["said"] == "list index out of range"


def test_a_count_has_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    """A metric is a record with metric, value and labels; the ones an alert watches are INFO."""
    caplog.set_level(logging.DEBUG, logger="darkroom")
    telemetry = LogTelemetry()
    telemetry.count(Metric.CREATES_UNKNOWN)
    telemetry.count(Metric.CONFLICTS, 2.5, table="state")
    notable, routine = caplog.records
    assert (notable.levelno, routine.levelno) == (logging.INFO, logging.DEBUG)
    assert notable.__dict__["metric"] == "darkroom.creates_unknown"
    assert notable.__dict__["value"] == 1
    assert routine.__dict__["table"] == "state"
    assert routine.getMessage() == "darkroom.conflicts 2.5 table=state"

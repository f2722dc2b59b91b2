"""Steps of runs and attempts are lines with ids, written once, by who leads."""

import logging

from hotfire_infra.executors.fake import Script
from hotfire_infra.operations.context import current
from hotfire_infra.operations.event_log import EventLog


class Kept(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append((record.levelname, record.getMessage().split(":")[0], dict(current())))


def kept(event_log):
    handler = Kept()
    logger = logging.getLogger("hotfire_infra.operations.event_log")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        event_log.look()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    return handler.lines


def test_every_step_of_an_attempt_is_a_line_with_its_ids(store, make_stand, make_plan):
    events = EventLog(store, lambda: True)
    events.look()
    whole = make_stand().run(make_plan({"a": ["m/s/x"]}))
    lines = kept(events)
    topics = [topic for _, topic, _ in lines]
    assert topics.index("attempt.started") < topics.index("attempt.passed")
    about = next(ids for _, topic, ids in lines if topic == "attempt.passed")
    assert about["run"] == str(whole.run.number)
    assert len(about["attempt"]) == 26
    assert kept(events) == []


def test_trouble_of_infrastructure_is_a_warning_and_a_red_test_is_not(store, make_stand, make_plan):
    events = EventLog(store, lambda: True)
    events.look()
    make_stand(lambda _spec: Script(outcomes={"m/s/x": "failed"})).run(make_plan({"a": ["m/s/x"]}))
    levels = {topic: level for level, topic, _ in kept(events)}
    assert levels["attempt.failed"] == "INFO"
    assert "WARNING" not in levels.values()


def test_who_does_not_lead_writes_nothing(store, make_stand, make_plan):
    events = EventLog(store, lambda: False)
    events.look()
    make_stand().run(make_plan({"a": ["m/s/x"]}))
    assert kept(events) == []


def test_a_thread_writes_what_is_left_when_it_ends(store, make_stand, make_plan, caplog):
    caplog.set_level("INFO", logger="hotfire_infra.operations.event_log")
    events = EventLog(store, lambda: True)
    events.start()
    make_stand().run(make_plan({"a": ["m/s/x"]}))
    events.stop()
    assert "run.finalized" in caplog.text

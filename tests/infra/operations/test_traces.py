"""Runs as traces: the conventions' names, one tree, exported once, kept while nobody takes them."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import cicd_attributes, vcs_attributes
from opentelemetry.trace import StatusCode

from hotfire_infra.executors.fake import Script, everything_passes
from hotfire_infra.operations.spans import ATTEMPT_RESULTS, RUN_RESULTS
from hotfire_infra.operations.traces import RunTraces, TracesRefusedError, collector
from hotfire_infra.settings import has_trace_collector
from hotfire_infra.states import ATTEMPT_TERMINAL, RunVerdict


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def make_traces(store, exporter):
    def make(*, leads=True, into=None):
        traces = RunTraces(store, into or exporter, "http://127.0.0.1:8321", lambda: leads)
        traces.look()
        return traces

    return make


@pytest.fixture
def run(make_stand, make_plan):
    def go(director=everything_passes):
        return make_stand(director).run(
            make_plan({"a": ["m/s/x"], "b": ["m/s/y"]}, edges=[("a", "b")])
        )

    return go


def test_a_run_is_one_tree_of_run_tasks_and_attempts(make_traces, run, exporter):
    traces = make_traces()
    whole = run()
    assert traces.look() == 1
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert set(spans) == {"RUN small", "a", "a #1", "b", "b #1"}
    root = spans["RUN small"]
    assert root.parent is None
    assert spans["a"].parent.span_id == root.context.span_id
    assert spans["a #1"].parent.span_id == spans["a"].context.span_id
    assert len({span.context.trace_id for span in spans.values()}) == 1
    assert root.attributes["cicd.pipeline.run.id"] == whole.run.ulid
    assert root.attributes["cicd.pipeline.result"] == "success"
    assert all(span.start_time <= span.end_time for span in spans.values())


def test_names_are_those_of_the_conventions(make_traces, run, exporter):
    traces = make_traces()
    run()
    traces.look()
    known = {
        value
        for module in (cicd_attributes, vcs_attributes)
        for name, value in vars(module).items()
        if name.isupper()
    } | {"error.type"}
    used = {name for span in exporter.get_finished_spans() for name in span.attributes}
    assert {name for name in used if not name.startswith("hotfire.")} <= known
    values = {value.value for value in cicd_attributes.CicdPipelineResultValues}
    assert set(RUN_RESULTS.values()) | set(ATTEMPT_RESULTS.values()) <= values
    assert set(RUN_RESULTS) == set(RunVerdict)
    assert set(ATTEMPT_RESULTS) == set(ATTEMPT_TERMINAL)


def test_a_run_is_exported_once_and_with_the_same_ids_whoever_does_it(make_traces, run, store):
    first, second = InMemorySpanExporter(), InMemorySpanExporter()
    traces = make_traces(into=first)
    run()
    traces.look()
    assert traces.look() == 0
    assert make_traces(into=second).look() == 0
    assert second.get_finished_spans() == ()


def test_who_does_not_lead_exports_nothing_and_loses_nothing(make_traces, run, exporter):
    make_traces()
    run()
    assert make_traces(leads=False).look() == 0
    assert make_traces().look() in {0, 1}
    assert len([s for s in exporter.get_finished_spans() if s.parent is None]) == 1


class Refusing(SpanExporter):
    def __init__(self, times):
        self.times = times
        self.taken = []

    def export(self, spans):
        if self.times:
            self.times -= 1
            return SpanExportResult.FAILURE
        self.taken += spans
        return SpanExportResult.SUCCESS

    def shutdown(self):
        """Nothing to let go."""


def test_what_the_collector_does_not_take_is_sent_again(make_traces, run):
    refusing = Refusing(1)
    traces = make_traces(into=refusing)
    run()
    with pytest.raises(TracesRefusedError):
        traces.look()
    assert traces.look() == 1
    assert len(refusing.taken) == 5


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
    ],
)
def test_traces_go_out_only_when_a_collector_is_named(environ, wanted):
    assert has_trace_collector(environ) is wanted


@pytest.fixture
def collecting(monkeypatch):
    bodies = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies.append((self.path, ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    yield bodies
    server.shutdown()
    server.server_close()


def test_a_collector_receives_them_over_http(make_traces, run, collecting):
    traces = make_traces(into=collector())
    run()
    traces.start()
    traces.stop()
    ((path, request),) = collecting
    assert path == "/v1/traces"
    resource = request.resource_spans[0].resource
    assert {a.key: a.value.string_value for a in resource.attributes}["service.name"] == "hotfire"
    spans = request.resource_spans[0].scope_spans[0].spans
    assert sorted(span.name for span in spans) == ["RUN small", "a", "a #1", "b", "b #1"]


def test_a_red_attempt_is_a_red_span(make_traces, run, exporter):
    traces = make_traces()
    run(lambda _spec: Script(outcomes={"m/s/x": "failed"}))
    traces.look()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert spans["a #1"].status.status_code is StatusCode.ERROR
    assert spans["a #1"].attributes["cicd.pipeline.task.run.result"] == "failure"
    assert spans["b"].attributes["cicd.pipeline.task.run.result"] == "skip"
    assert spans["RUN small"].attributes["cicd.pipeline.result"] == "failure"

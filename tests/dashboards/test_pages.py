"""Pages: what they say, what they escape, and that they stand without JavaScript."""

import dataclasses
import json
import re

import pytest

from hotfire_dashboards.home_page import run_row

PAGES = ["/", "/r/7", "/r/8", "/r/9", "/p/abababab", "/quality"]


def text_of(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.mark.parametrize("path", PAGES)
def test_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert not re.search(r'(src|href)="(https?:)?//', answer.text)
    assert not re.search(r"<[^>]* (style|on\w+)=", answer.text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", answer.text))


def test_run_page_answers_in_one_sentence(client):
    text = text_of(client.get("/r/7").text)
    assert "passed on 3 of 4 platforms, 10 of 11 cells, none missing." in text
    assert "coverage 91.2 % C++, 94.0 % Python" in text
    assert "2026-11-21 12:00:00 UTC" in text


def test_red_run_shows_message_class_and_the_command_that_reproduces_it(client, literals):
    text = client.get("/r/8").text
    assert "error 3.71 × the bound" in text
    assert "failed · product · kernels|platform=linux-x86_64" in text
    assert f"hotfire repro {literals.CASE} --run 8" in text


def test_infrastructure_and_product_failures_do_not_look_alike(client):
    html = client.get("/r/8").text
    assert 'class="bad" href="#cell-kernels-platform-linux-x86-64"' in html
    assert 'class="trouble" href="#cell-accuracy-platform-l4t-aarch64"' in html


def test_what_was_cancelled_promises_no_class(literals, client_of):
    cells = literals.green_cells()
    lost = dataclasses.replace(literals.failure(), outcome="missing", failure_class=None)
    cells[1] = dataclasses.replace(cells[1], verdict="missing", failures=(lost,))
    over = literals.run_report(cells, state="cancelled", verdict="cancelled", number=8)
    goes = dataclasses.replace(over, state="running", verdict=None, number=9)
    client = client_of(literals.LiteralReports([over, goes]))
    assert "class not known yet" not in client.get("/r/8").text
    assert "missing · class not known yet" in client.get("/r/9").text


def test_hostile_test_name_is_text_everywhere(client, literals):
    from hotfire_dashboards.addresses import test_address

    for path in ("/r/8", test_address(literals.HOSTILE)):
        html = client.get(path).text
        assert "<script>alert" not in html
        assert "<img" not in html
        assert "&lt;img src=x onerror=alert(1)&gt;" in html
        assert "{{7*7}}" in html


def test_address_of_a_test_leads_to_its_page_whatever_its_name(literals, client_of):
    from hotfire_dashboards.addresses import test_address, test_document_address

    for name in (
        "a/b/../x",
        "a/b/c?d#e%2F f",
        "a/b/..",
        "a/b/c.json",
        "a/b/ü[1]",
        literals.HOSTILE,
    ):
        client = client_of(literals.LiteralReports(tests={name: literals.history(name)}))
        assert client.get(test_address(name)).status_code == 200, name
        assert client.get(test_document_address(name)).json()["test"] == name


def test_live_page_polls_and_a_finished_one_does_not(client):
    live, finished = client.get("/r/9").text, client.get("/r/7").text
    assert 'hx-trigger="every 1s"' in live
    assert '<noscript><meta http-equiv="refresh"' in live
    assert "hx-get" not in finished
    assert "htmx" not in re.sub(r"<meta[^>]*>", "", finished)


def test_test_page_tells_platforms_apart_and_shows_evidence(client, literals):
    from hotfire_dashboards.addresses import test_address

    text = text_of(client.get(test_address(literals.CASE)).text)
    assert "it passed on 1 of 2 platforms. Not green on linux-x86_64." in text
    assert "error over bound 3.71" in text
    assert "governor unreadable: no such file" in text


def test_series_page_has_a_table_twin_with_units_and_a_chart_source(client):
    html = client.get("/p/abababab").text
    assert 'data-chart="/p/abababababababab.json"' in html
    assert "172 tok/s" in html
    assert "(n = 5)" in html


def test_a_change_is_marked_in_the_trend_and_said_in_words(client):
    text = text_of(client.get("/p/abababab").text)
    assert "✗ worse: decode -18.2 % of test_decode since 3f2a91c..3f2a91c" in text
    assert "Band: the runs in which a change began, 95 % sure" in text
    document = client.get("/p/abababab.json").json()
    assert document["changes"][1]["noticed_run"] == 6
    gone, worse = document["marks"]
    assert (worse["after"], worse["at"], worse["until"]) == (4, 5, 5)
    assert (worse["from"], worse["to"], worse["levels"]) == (0, 5, [172.4, 141.0])
    assert (gone["state"], gone["at"]) == ("withdrawn", 1)


def test_a_withdrawn_change_is_shown_as_such(client):
    text = text_of(client.get("/p/abababab").text)
    assert "– withdrawn: decode +3.0 % of test_decode since 3f2a91c..3f2a91c" in text
    assert "withdrawn by run 5" in text


def test_changes_that_a_run_revealed_stand_on_its_page_and_on_that_of_the_test(literals, client_of):
    change = literals.change()
    run = literals.run_report(changes=(change,))
    test = dataclasses.replace(literals.history(), changes=(change,))
    client = client_of(literals.LiteralReports([run], {literals.CASE: test}))
    from hotfire_dashboards.addresses import test_address

    for path in ("/r/7", test_address(literals.CASE)):
        assert change.words in text_of(client.get(path).text)
    assert client.get("/r/7.json").json()["changes"][0]["words"] == change.words


def test_series_with_one_point_says_why_there_is_no_trend(literals, client_of):
    client = client_of(literals.LiteralReports(all_series=[literals.series((172.0,))]))
    html = client.get("/p/abababab").text
    assert "a trend needs two runs" in html
    assert "data-chart" not in html


def test_json_twins_hold_what_the_pages_show(client, literals):
    run = client.get("/r/7.json").json()
    assert run["verdict"] == "passed"
    assert sum(run["totals"].values()) == len(run["cells"])
    series = client.get("/p/abababab.json").json()
    assert [point["run"] for point in series["points"]] == [1, 2, 3, 4, 5, 6]
    assert client.get("/index.json").json()["runs"][0]["number"] == 9


def test_empty_store_says_why_it_is_empty_and_what_to_type(literals, client_of):
    html = client_of(literals.LiteralReports()).get("/").text
    assert "This store holds no runs" in html
    assert "hotfire run pre-merge" in html


def test_run_without_measurements_says_why(literals, client_of):
    report = literals.run_report(coverage=(), performance=())
    text = text_of(client_of(literals.LiteralReports([report])).get("/r/7").text)
    assert "No measurement was recorded: no performance cell ran." in text
    assert "No coverage was recorded: no coverage cell ran." in text


def test_coverage_of_a_part_of_the_tests_is_no_drop(literals, client_of):
    report = literals.run_report()
    part = dataclasses.replace(
        report, coverage=tuple(dataclasses.replace(one, left_out=9) for one in report.coverage)
    )
    text = text_of(client_of(literals.LiteralReports([part])).get("/r/7").text)
    assert "partial coverage 91.2 % C++, 94.0 % Python (9 tests left out)" in text
    assert "of a part of the tests: 9 tests left out, which is no drop" in text


def test_many_series_that_did_not_move_stand_behind_one_line(literals, client_of):
    quiet = [literals.point("too_few", metric="cuda.registers") for _ in range(55)]
    moved = literals.point("regressed", metric="cuda.registers")
    report = literals.run_report(performance=(*quiet, moved, literals.point("too_few")))
    html = client_of(literals.LiteralReports([report])).get("/r/7").text
    folded = html.split("<details>")[-1].split("</details>")[0]
    assert "cuda.registers: 55 series without a change" in folded
    assert folded.count("cuda.registers</td>") == 55
    shown = html.split("<h2>Performance")[1].split("<details>")[0]
    assert shown.count("cuda.registers</td>") == 1
    assert "decode" in shown


@pytest.mark.parametrize("path", ["/r/99", "/t/a/b/c", "/p/cdcdcdcd", "/r/99.json"])
def test_missing_things_are_404_with_a_sentence(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "in this store" in answer.text


def test_columns_are_those_of_the_command_line(client):
    from hotfire_infra.cli.verbs.ps import HEADER

    head = re.search(r"<thead><tr>(.*?)</tr>", client.get("/").text).group(1)
    words = [word.upper() for word in re.findall(r"<th[^>]*>([^<]*)</th>", head)]
    assert tuple(words) == HEADER


def test_list_of_runs_says_what_the_command_line_says_of_a_run(literals):
    report = literals.everything().all_runs[0]
    run = dataclasses.replace(literals.summary(report), note="superseded by run 12")
    assert run_row(run).cells.endswith(" · superseded by run 12")
    assert " · " not in run_row(dataclasses.replace(run, note="")).cells


def test_document_of_a_run_has_exactly_the_public_keys(client):
    assert list(json.loads(client.get("/r/7.json").text)) == [
        "id", "pipeline", "source", "plan_digest", "state", "verdict", "reasons", "url", "cells",
        "totals", "priority", "team", "change", "superseded_by", "supersedes", "holds",
        "merge_base", "exonerations", "notices", "changes", "confirmations",
    ]  # fmt: skip


def test_measurement_of_a_run_that_goes_has_no_series_yet_and_no_link(literals, client_of):
    report = literals.run_report(
        state="running", verdict=None, performance=(literals.point(series=""),)
    )
    html = client_of(literals.LiteralReports([report])).get("/r/7").text
    assert "172 tok/s" in html
    assert 'href="/p/' not in html


def test_the_page_of_the_detector_has_both_shares_and_how_they_moved(client, client_of, literals):
    text = text_of(client.get("/quality").text)
    assert "precision of labelled alerts 0.78 (0.45 … 0.94; 7 of 9)" in text
    assert "1.5 to 2 0.95 (0.83 … 0.99; 38 of 40) 8 points" in text
    assert re.search(r"40 0\.75 0\.95 .* 40 0\.75 0\.90", text)
    twin = client.get("/quality.json").json()
    assert [one["recalls"][0]["found"]["hits"] for one in twin["checks"]] == [38, 36]
    bare = text_of(client_of(literals.LiteralReports()).get("/quality").text)
    assert "not checked yet" in bare
    assert "hotfire changes quality --check" in bare

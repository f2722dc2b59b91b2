"""Reference accuracies: TensorRT-LLM's own file, its thresholds, and what a broken file says."""

import math
from pathlib import Path

import pytest

from hotfire_testframework.accuracy import references
from hotfire_testframework.numerics.errors import ReferenceFileError

GSM8K = Path(__file__).parents[2] / "data" / "trtllm" / "gsm8k.yaml"


@pytest.fixture
def written(tmp_path):
    def write(text: str, name: str = "gsm8k.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return write


def test_the_real_file_has_52_models_and_156_entries():
    table = references.read(GSM8K)
    assert (len(table), len(table.entries)) == (52, 156)


# Published in failing runs: ref 63.710 at n 1319, ref 39.0 at n 900; slack of the other tasks is
# the table of TensorRT-LLM's parameters evaluated with scipy.stats.norm.ppf.
@pytest.mark.parametrize(
    ("task", "reference", "expected", "theta"),
    [
        ("gsm8k", 63.710, 60.507, 4.841),
        ("mmmu", 39.0, 35.123, 5.861),
        ("mmlu", 50.0, 50 - 1.817, 2.747),
        ("gpqa_diamond", 50.0, 50 - 8.266, 12.495),
        ("json_mode_eval", 50.0, 50 - 11.631, 17.582),
        ("cnn_dailymail", 50.0, 50 - 1.990, 2.571),
        ("humaneval", 50.0, 50 - 4.793, 6.195),
        ("zero_scrolls", 50.0, 50 - 3.172, 4.099),
        ("SlimPajama-6B", 7.663, 7.663 + 1.589, 2.164),
        ("longbench_v1", 50.0, 50 - 1.688, 2.551),
        ("longbench_v2", 50.0, 50 - 7.932, 11.991),
        ("videomme", 50.0, 50 - 6.715, 10.151),
        ("voxpopuli", 6.2, 6.2 + 20.561, 31.081),
        ("passkey_retrieval_64k", 99.0, 99.0, 0.0),
    ],
)
def test_the_threshold_of_each_task_is_the_published_one(written, task, reference, expected, theta):
    metric = "wer" if task == "voxpopuli" else "accuracy"
    table = references.read(written(f"model:\n  - {metric}: {reference}\n", f"{task}.yaml"))
    entry = table.lookup("model")
    assert table.threshold(entry) == pytest.approx(expected, abs=0.0006)
    assert references.detectable(entry) == pytest.approx(theta, abs=0.0006)


def test_n_given_beats_the_number_in_the_entry_and_that_beats_the_task(written):
    text = "model:\n  - accuracy: 50\n    num_samples: 100\n"
    entry = references.read(written(text)).lookup("model")
    assert references.threshold(entry) == pytest.approx(50 - 11.631, abs=5e-4)
    assert references.threshold(entry, n=1319) == pytest.approx(50 - 3.203, abs=5e-4)


def test_parameters_in_the_entry_beat_those_of_the_task(written):
    text = "m:\n  - {accuracy: 20, sigma: 11.06, alpha: 0.002, num_samples: 512, beta: 0.2}\n"
    entry = references.read(written(text)).lookup("m")
    assert references.threshold(entry) == pytest.approx(20 - 1.990, abs=5e-4)


def test_a_threshold_written_in_the_entry_wins(written):
    entry = references.read(written("m:\n  - accuracy: 95.46\n    threshold: 94.0\n")).lookup("m")
    assert references.threshold(entry, n=1319) == 94.0


def test_a_word_error_rate_passes_below_its_threshold(written):
    text = "m:\n  - wer: 6.2\n    num_samples: 1842\n"
    entry = references.read(written(text, "voxpopuli.yaml")).lookup("m")
    limit = references.threshold(entry)
    assert limit > 6.2
    assert references.passes(entry, limit)
    assert not references.passes(entry, limit + 0.01)
    assert not references.passes(entry, math.nan)


def test_an_acceptance_length_passes_from_its_minimum_on(written):
    text = "T::t:\n  ref_al: 2.0\n  min_al: 1.9\nT::u:\n  ref_al: null\n  min_al: null\n"
    table = references.read(written(text, "acceptance_length.yaml"))
    assert table.threshold(table.lookup("T::t")) == 1.9
    with pytest.raises(ReferenceFileError, match=r"acceptance_length.yaml:5: T::u: min_al"):
        table.threshold(table.lookup("T::u"))


def test_lookup_takes_the_first_entry_whose_five_keys_are_equal():
    table = references.read(GSM8K)
    entry = table.lookup(
        "deepseek-ai/DeepSeek-V3-Lite", quant_algo="NVFP4", kv_cache_quant_algo="FP8"
    )
    assert (entry.accuracy, entry.line) == (63.71, 62)
    assert table.lookup("meta-llama/Llama-3.1-8B-Instruct", dtype="auto").accuracy == 74.20


def test_every_entry_is_found_by_its_own_keys_but_the_one_that_is_hidden():
    table = references.read(GSM8K)
    lost = [e for e in table.entries if table.lookup(e.model, **e.specs) is not e]
    assert [(entry.model, entry.line) for entry in lost] == [("nvidia/Nemotron-Super-V3", 369)]
    assert len(table.problems) == 1
    assert "gsm8k.yaml:369: nvidia/Nemotron-Super-V3" in table.problems[0]


def test_a_further_key_counts_only_when_it_is_asked_for():
    table = references.read(GSM8K)
    specs = {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"}
    assert table.lookup("nvidia/Nemotron-Super-V3", **specs).line == 366
    assert table.lookup("nvidia/Nemotron-Super-V3", **specs, mtp_enabled=True).line == 369


def test_a_data_type_other_than_auto_is_asked_for(written):
    text = "m:\n  - dtype: float16\n    accuracy: 30\n  - accuracy: 31\n"
    table = references.read(written(text))
    assert table.lookup("m").accuracy == 31
    assert table.lookup("m", dtype="float16").accuracy == 30


def test_the_module_answers_for_the_file_read_last():
    references.read(GSM8K)
    entry = references.lookup("deepseek-ai/DeepSeek-V3-Lite", quant_algo="NVFP4")
    assert references.threshold(entry, n=1319) == pytest.approx(60.507, abs=5e-4)


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(ReferenceFileError, match=r"gsm8k.yaml.*'Qwen3/Qwen3-9B'.*'Qwen3/Qwen3-8B'"):
        references.read(GSM8K).lookup("Qwen3/Qwen3-9B")


def test_specs_that_are_not_there_name_the_line_of_the_nearest_entry():
    with pytest.raises(ReferenceFileError, match=r"nearest is line \d+: quant_algo=FP8"):
        references.read(GSM8K).lookup("meta-llama/Llama-3.1-8B-Instruct", quant_algo="FP9")


def test_an_unknown_spec_names_the_nearest():
    with pytest.raises(ReferenceFileError, match=r"key 'quant_alg': did you mean 'quant_algo'"):
        references.read(GSM8K).lookup("meta-llama/Llama-3.1-8B-Instruct", quant_alg="FP8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m:\n  - acuracy: 3\n", r"x.yaml:2: m: no accuracy.*did you mean 'accuracy'"),
        ("m:\n  - accuracy: high\n", r"x.yaml:2: m: accuracy is 'high', expected a finite number"),
        ("m:\n  - accuracy: .nan\n", r"x.yaml:2: m: accuracy is '.nan'"),
        ("m:\n\n  - accuracy: 5\n    alpha: 5\n", r"x.yaml:3: m: alpha is 5, expected a prob"),
        ("m:\n  - accuracy: 5\n    sigma: -1\n", r"sigma is -1, expected a number that is not neg"),
        ("m:\n  - accuracy: 5\n    num_samples: 0\n", r"num_samples is 0, expected a whole"),
        ("m: 5\n", r"x.yaml:1: m: '5', expected a list of entries"),
        ("- m\n", r"x.yaml:1: a list, expected a mapping of model names"),
        ("m:\n  - accuracy: [5]\n", r"x.yaml:2: a list, expected one value"),
        ("m:\n  - 'accuracy: 5\n", r"x.yaml:\d+: broken YAML"),
    ],
)
def test_a_broken_file_is_named_with_line_and_value(written, text, message):
    with pytest.raises(ReferenceFileError, match=message):
        references.read(written(text, "x.yaml"))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ReferenceFileError, match=r"gone.yaml: cannot be read: No such file"):
        references.read(tmp_path / "gone.yaml")


def test_a_task_without_a_known_size_needs_n(written):
    entry = references.read(written("m:\n  - accuracy: 5\n", "own.yaml")).lookup("m")
    with pytest.raises(ReferenceFileError, match=r"own.yaml:2: m: neither n, nor num_samples"):
        references.threshold(entry)
    with pytest.raises(ReferenceFileError, match=r"n is 0, expected above 0"):
        references.threshold(entry, n=0)


def test_a_model_written_twice_counts_once_and_is_a_problem(written):
    table = references.read(written("m:\n  - accuracy: 5\nm:\n  - accuracy: 6\n"))
    assert table.lookup("m").accuracy == 6
    assert any("m is written twice, line 1 does not count" in each for each in table.problems)


def test_a_placeholder_is_a_problem(written):
    table = references.read(written("m:\n  - accuracy: 0.0\n"))
    assert any("m has a placeholder of 0" in each for each in table.problems)


def test_an_empty_file_has_no_models(written):
    assert len(references.read(written("# nothing yet\n"))) == 0

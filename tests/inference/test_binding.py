"""The Python binding on a tiny synthetic model."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import aestus
from aestus import kernels

IDS = [1, 259, 40, 200, 3]


@pytest.fixture(scope="module")
def tiny_model(aestus_build, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    tool = aestus_build("linux-x86_64") / "bin" / "aestus-fuzz-gguf"
    subprocess.run([tool, "--write", path, "--count", "0"], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def library(aestus_build) -> aestus.Library:
    return aestus.Library(aestus_build("linux-x86_64") / "lib" / "libaestus.so")


@pytest.fixture
def model(library, tiny_model) -> Iterator[aestus.Model]:
    with aestus.Model(tiny_model, library=library) as opened:
        yield opened


def test_model_tells_its_sizes(model):
    assert (model.vocab, model.layers, model.width, model.context) == (266, 2, 64, 64)
    assert model.weight_bytes > 50_000


def test_last_logits_are_the_last_row_of_all(model):
    with model.session() as one, model.session(threads=2) as other:
        assert np.array_equal(one.eval(IDS), other.eval_all(IDS)[-1])


def test_reset_starts_a_new_sequence(model):
    with model.session() as session:
        first = session.eval(IDS)
        session.reset()
        assert np.array_equal(session.eval(IDS), first)


def test_greedy_takes_the_argmax_of_each_step(model):
    with model.session() as session:
        generated = session.generate_greedy(IDS, 4)
        session.reset()
        rows = session.eval_all([*IDS, *generated[:-1].tolist()])
    assert generated.tolist() == rows[len(IDS) - 1 :].argmax(axis=1).tolist()


def test_greedy_stops_at_the_end_of_the_context(model):
    with model.session(context=len(IDS) + 1) as session:
        assert len(session.generate_greedy(IDS, 10)) == 2


def test_any_bytes_survive_tokenising(model):
    data = bytes(range(256)) + "the ring 42 ünïcödé 日本".encode()
    assert model.detokenize(model.tokenize(data)) == data


def test_empty_text_has_no_tokens(model):
    assert model.tokenize("").size == 0
    assert model.detokenize([]) == b""


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [([266], "outside 0 to 265"), ([-1], "outside"), ([], "0 tokens"), ([1.5], "integer")],
)
def test_wrong_ids_are_argument_errors(model, ids, sentence):
    with model.session() as session, pytest.raises(aestus.ArgumentError, match=sentence):
        session.eval(ids)


def test_id_outside_the_vocabulary_cannot_be_detokenised(model):
    with pytest.raises(aestus.ArgumentError, match="outside 0 to 265"):
        model.detokenize([266])


def test_missing_file_is_a_read_error_with_its_name(library):
    with pytest.raises(aestus.ReadError, match=r"no/such\.gguf: cannot open"):
        aestus.Model("no/such.gguf", library=library)


def test_text_file_is_a_format_error(library, tmp_path):
    path = tmp_path / "notes.gguf"
    path.write_text("not a model")
    with pytest.raises(aestus.FormatError, match=r"notes\.gguf: not a GGUF file"):
        aestus.Model(path, library=library)


def test_closed_model_and_session_refuse(library, tiny_model):
    model = aestus.Model(tiny_model, library=library)
    session = model.session()
    session.close()
    with pytest.raises(aestus.ArgumentError, match="session is closed"):
        session.eval(IDS)
    model.close()
    with pytest.raises(aestus.ArgumentError, match="model is closed"):
        model.session()


def test_missing_library_names_the_variable(tmp_path):
    with pytest.raises(aestus.LibraryError, match="AESTUS_LIBRARY"):
        aestus.Library(tmp_path / "libaestus.so")


def test_gemm_multiplies_by_the_transpose(library):
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    b = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert np.array_equal(kernels.gemm_f32(a, b, library=library), a @ b.T)


@pytest.mark.parametrize("qtype", [aestus.QType.Q4_1, aestus.QType.Q8_0])
def test_quantised_product_is_that_of_the_dequantised_row(library, qtype):
    row = np.linspace(-1, 1, 64, dtype=np.float32)
    stored = kernels.quantize_row(qtype, row, library=library)
    plain = kernels.dequantize_row(qtype, stored, 64, library=library)
    x = np.linspace(2, 3, 128, dtype=np.float32).reshape(2, 64)
    expected = kernels.gemm_f32(x, plain[None, :], library=library)
    assert np.array_equal(kernels.qmatmul(qtype, stored, x, 1, library=library), expected)


def test_wider_type_is_refused_rather_than_rounded(library):
    with pytest.raises(aestus.ArgumentError, match="float64"):
        kernels.softmax_f32(np.zeros((1, 4)), library=library)


def test_wrong_shape_is_named(library):
    a, b = np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32)
    with pytest.raises(aestus.ArgumentError, match=r"b has the shape \(2, 4\)"):
        kernels.gemm_f32(a, b, library=library)


def test_unknown_implementation_is_refused(library):
    with pytest.raises(aestus.ArgumentError):
        library.set_impl("abacus")

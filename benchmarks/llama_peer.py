"""Measure llama.cpp in its own environment; each call prints one JSON value.

llama_peer.py rate MODEL THREADS PREFILL DECODE TEXT
    prefill and decode rates in token/s; one process is one replicate
llama_peer.py logprobs MODEL THREADS CHUNKS TEXT
    natural-log probabilities by llama.cpp's perplexity protocol (context 512)
llama_peer.py logprobs-unrounded MODEL THREADS CHUNKS TEXT
    the same weights, dequantised by llama.cpp itself, with float32 activations, keys and values

Decode feeds back the argmax token. Everything goes through llama.cpp's own C interface, so that no
Python loop over the vocabulary is timed.
"""

from __future__ import annotations

import ctypes
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

CONTEXT = 512


class Peer:
    """One model with one context."""

    def __init__(self, path: str, threads: int, context: int, *, unrounded: bool = False) -> None:
        llama_cpp.llama_backend_init()
        # Held as an attribute: a callback that is collected crashes the next log line.
        self._silence = llama_cpp.llama_log_callback(lambda _level, _text, _data: None)
        llama_cpp.llama_log_set(self._silence, ctypes.c_void_p(0))
        parameters = llama_cpp.llama_model_default_params()
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), parameters)
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = settings.n_batch = settings.n_ubatch = context
        settings.n_threads = settings.n_threads_batch = threads
        if unrounded:
            settings.type_k = settings.type_v = llama_cpp.GGML_TYPE_F32
            settings.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = llama_cpp.llama_init_from_model(self.model, settings)
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.size = llama_cpp.llama_vocab_n_tokens(self.vocabulary)

    def tokens(self, text: bytes) -> list[int]:
        buffer = (ctypes.c_int32 * (len(text) + 16))()
        count = llama_cpp.llama_tokenize(
            self.vocabulary, text, len(text), buffer, len(buffer), False, False
        )
        return list(buffer[:count])

    def clear(self) -> None:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def feed(self, tokens: list[int]) -> None:
        buffer = (ctypes.c_int32 * len(tokens))(*tokens)
        if (
            llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(buffer, len(tokens)))
            != 0
        ):
            raise SystemExit("llama_decode failed")

    def last_logits(self) -> Any:
        pointer = llama_cpp.llama_get_logits_ith(self.context, -1)
        return np.ctypeslib.as_array(pointer, shape=(self.size,))

    def all_logits(self, tokens: list[int]) -> Any:
        """Logits of every position of one chunk."""
        batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index] = token
            batch.pos[index] = index
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = 0
            batch.logits[index] = 1
        if llama_cpp.llama_decode(self.context, batch) != 0:
            raise SystemExit("llama_decode failed")
        logits = llama_cpp.llama_get_logits(self.context)
        values = np.ctypeslib.as_array(logits, shape=(len(tokens), self.size)).astype(np.float64)
        llama_cpp.llama_batch_free(batch)
        return values


def rate(path: str, threads: int, prefill: int, decode: int, text: bytes) -> dict[str, float]:
    peer = Peer(path, threads, 1024)
    tokens = peer.tokens(text)[:prefill]
    peer.feed(tokens[:32])  # warm-up: page in the weights, start the threads
    peer.clear()
    started = time.perf_counter()
    peer.feed(tokens)
    token = int(np.argmax(peer.last_logits()))
    prefilled = time.perf_counter()
    peer.clear()
    peer.feed(tokens[:1])
    decoding = time.perf_counter()
    for _ in range(decode):
        token = int(np.argmax(peer.last_logits()))
        peer.feed([token])
    ended = time.perf_counter()
    return {"prefill": prefill / (prefilled - started), "decode": decode / (ended - decoding)}


def unrounded_logprobs(path: str, threads: int, chunks: int, text: bytes) -> list[float]:
    """With float32 weights llama.cpp multiplies in float32: what it rounds, it rounds for speed."""
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = llama_cpp.LLAMA_FTYPE_ALL_F32
    parameters.allow_requantize = True
    with tempfile.TemporaryDirectory() as folder:
        whole = str(Path(folder) / "float32.gguf")
        code = llama_cpp.llama_model_quantize(
            path.encode(), whole.encode(), ctypes.byref(parameters)
        )
        if code != 0:
            raise SystemExit(f"llama_model_quantize ended with {code}")
        return logprobs(Peer(whole, threads, CONTEXT, unrounded=True), chunks, text)


def logprobs(peer: Peer, chunks: int, text: bytes) -> list[float]:
    tokens = peer.tokens(text)
    found: list[float] = []
    for chunk in range(min(chunks, len(tokens) // CONTEXT)):
        part = tokens[chunk * CONTEXT : (chunk + 1) * CONTEXT]
        peer.clear()
        logits = peer.all_logits(part)[CONTEXT // 2 : CONTEXT - 1]
        shifted = logits - logits.max(axis=1, keepdims=True)
        chosen = shifted[np.arange(len(shifted)), part[CONTEXT // 2 + 1 :]]
        found.extend(chosen - np.log(np.exp(shifted).sum(axis=1)))
    return found


def main(arguments: list[str]) -> None:
    match arguments:
        case ["rate", path, threads, prefill, decode, text]:
            print(
                json.dumps(
                    rate(path, int(threads), int(prefill), int(decode), Path(text).read_bytes())
                )
            )
        case ["logprobs", path, threads, chunks, text]:
            peer = Peer(path, int(threads), CONTEXT)
            print(json.dumps(logprobs(peer, int(chunks), Path(text).read_bytes())))
        case ["logprobs-unrounded", path, threads, chunks, text]:
            found = unrounded_logprobs(path, int(threads), int(chunks), Path(text).read_bytes())
            print(json.dumps(found))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Golden token ids, from an independent implementation: Hugging Face's `tokenizers`.

The vocabulary and the merges come from the model file; the split is SmolLM's: every digit alone,
then the byte-level GPT-2 pattern. The ids of the text were also compared with those of llama.cpp:
equal.
"""

from __future__ import annotations

import importlib
import json
from typing import Any

from hotfire_testframework.accuracy import files
from hotfire_testframework.accuracy.gguf import GgufFile
from hotfire_testframework.numerics.errors import GoldenError

STRINGS = "tokenizer.json"
# What breaks byte-level BPE: spaces, digits, contractions, scripts, bytes beyond one UTF-8 length.
HARD_STRINGS = (
    "",
    " ",
    "a",
    "Hello, world!",
    "  leading and trailing  ",
    "tabs\tand\nnew\r\nlines\n\n\n",
    "1234567890 3.14159 1e-5 2026-11-21",
    "I'm you're she'd we'll they've it's I'M IT'S",
    "naïve façade Ünïcödé Straße",
    "Съешь же ещё этих мягких французских булок",
    "敏捷的棕色狐狸跳过懒狗",
    "こんにちは世界",
    "مرحبا بالعالم",
    "🚀 hot 🔥 fire 👩‍🚀",
    "\u00a0non\u2003breaking\u200bspaces",
    "e\u0301 combining \u0301",
    "<|im_start|>user",
    "for (int i = 0; i < n; ++i) { a[i] += b[i] * 0x1p-3f; }",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "CamelCase snake_case kebab-case SCREAMING",
    "\u0000 nul and \u007f del",
)


def load_strings() -> list[tuple[str, list[int]]]:
    """The committed pairs (text, ids)."""
    stored = json.loads(files.golden(STRINGS).read_text("ascii"))
    return [(row["text"], row["ids"]) for row in stored]


def write_goldens(model: GgufFile) -> list[int]:
    """Write the ids of the text and of the hard strings; returns those of the text."""
    encode = _encoder(model)
    text = (files.data_directory() / f"{files.TEXT_NAME}.txt").read_bytes().decode("utf-8")
    ids: list[int] = encode(text)
    lines = [" ".join(map(str, ids[at : at + 20])) for at in range(0, len(ids), 20)]
    files.tokens_file().write_text("\n".join(lines) + "\n", "ascii")
    rows = [json.dumps({"text": each, "ids": encode(each)}) for each in HARD_STRINGS]
    files.golden(STRINGS).write_text("[\n" + ",\n".join(rows) + "\n]\n", "ascii")
    return ids


def _encoder(model: GgufFile) -> Any:
    try:
        # Only this one-off writer needs the package, so it is in no extra.
        package: Any = importlib.import_module("tokenizers")
    except ImportError as error:
        raise GoldenError("writing token goldens needs the package `tokenizers`") from error
    models, pre_tokenizers = package.models, package.pre_tokenizers
    vocabulary = {
        text: number for number, text in enumerate(model.metadata["tokenizer.ggml.tokens"])
    }
    merges = [tuple(line.split(" ")) for line in model.metadata["tokenizer.ggml.merges"]]
    engine = package.Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    return lambda text: engine.encode(text).ids

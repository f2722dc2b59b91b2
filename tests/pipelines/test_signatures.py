"""A signature means what it means to `re`, and no message makes its search take for ever."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotfire_pipelines.errors import SignatureError
from hotfire_pipelines.signatures import (
    LONGEST_MESSAGE,
    compile_signature,
)

EVIL = (
    "(a+)+b",
    "(a|a)*b",
    "(a|aa)+$ b",
    "(.*a){20}b",
    "(a?){50}a{50}b",
    ".*.*.*.*=b",
    "(?:(?:a*)*)*b",
)
"""Each keeps `re` busy for longer than anybody waits, on a message of nothing but `a`."""

LEAVES = st.sampled_from(
    ["a", "b", r"\n", ".", "[ab]", "[^a]", r"\w", r"\W", r"\d", r"\s", r"[^\w-]", r"\b", r"\B"]
    + ["^", "$", r"\A", r"\Z", "", "é", "A", r"\.", r"[0-2_]"]
)
PATTERNS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(
            inner, st.sampled_from(["*", "+", "?", "*?", "+?", "{2}", "{0,2}", "{1,}", "{0}"])
        ).map(lambda two: f"(?:{two[0]}){two[1]}"),
        inner.map(lambda one: f"(?i:{one})"),
        inner.map(lambda one: f"(?s:{one})"),
    ),
    max_leaves=6,
)
MESSAGES = st.text(st.sampled_from("abAB é\n\x1c.1_"), max_size=8)


@settings(max_examples=600, deadline=None)
@given(pattern=PATTERNS, flags=st.sampled_from(["", "(?m)", "(?a)", "(?i)", "(?s)"]), text=MESSAGES)
def test_it_finds_what_re_finds(pattern, flags, text):
    whole = flags + pattern
    expected = re.search(whole, text) is not None
    assert compile_signature(whole).is_in(text) == expected


@pytest.mark.parametrize("pattern", EVIL)
def test_no_pattern_takes_for_ever_on_a_hostile_message(pattern):
    signature = compile_signature(pattern)
    began = time.process_time()
    assert not signature.is_in("a" * LONGEST_MESSAGE)
    assert time.process_time() - began < 5
    assert not signature.is_in("")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "no regular expression"),
        (r"(a)\1", "groupref"),
        ("(?=a)b", "assert"),
        ("(?<!a)b", "assert not"),
        ("(?>a*)b", "atomic group"),
        ("a*+b", "possessive repeat"),
        ("(a{50}){50}", "counted repeats are too large"),
    ],
)
def test_what_cannot_be_bounded_is_refused_with_its_name(pattern, message):
    with pytest.raises(SignatureError, match=message):
        compile_signature(pattern)


def test_only_the_beginning_of_an_endless_message_is_looked_at():
    signature = compile_signature("needle")
    assert signature.is_in("x" * (LONGEST_MESSAGE - 6) + "needle")
    assert not signature.is_in("x" * LONGEST_MESSAGE + "needle")

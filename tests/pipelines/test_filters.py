"""Path patterns mean what GitHub Actions' documentation says they mean."""

import pytest

from hotfire_pipelines.filters import check, matches


@pytest.mark.parametrize(
    ("pattern", "fits", "not_these"),
    [
        ("*", ["README.md", "server.rb"], ["docs/a"]),
        ("*.jsx?", ["page.js", "page.jsx"], ["page.jsxx"]),
        ("**", ["all/the/files.md"], []),
        ("*.js", ["app.js"], ["src/app.js"]),
        ("**.js", ["index.js", "js/index.js", "src/js/app.js"], ["a.jsx"]),
        ("docs/*", ["docs/README.md"], ["docs/a/b", "xdocs/a"]),
        ("docs/**", ["docs/README.md", "docs/mona/octocat.txt"], ["docs", "adocs/x"]),
        ("docs/**/*.md", ["docs/README.md", "docs/a/markdown/file.md"], ["docs/a.txt"]),
        ("**/docs/**", ["docs/hello.md", "dir/docs/my-file.txt"], ["mydocs/x"]),
        ("**/README.md", ["README.md", "js/README.md"], ["MYREADME.md"]),
        ("**/*src/**", ["a/src/app.js", "my-src/code/js/app.js"], ["src2/a"]),
        ("**/*-post.md", ["my-post.md", "path/their-post.md"], ["post.md"]),
        ("v[12].[0-9]+", ["v1.10", "v2.0"], ["v3.0", "v1."]),
        (r"a\*b", ["a*b"], ["axb"]),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_a_pattern_fits_what_the_documentation_says(
    pattern: str, fits: list[str], not_these: list[str]
) -> None:
    assert [path for path in fits if not matches([pattern], path)] == []
    assert [path for path in not_these if matches([pattern], path)] == []


def test_the_last_pattern_that_fits_decides() -> None:
    patterns = ["sub/**", "!sub/docs/**", "sub/docs/kept.md"]
    found = [matches(patterns, f"sub/{name}") for name in ("a", "docs/b", "docs/kept.md")]
    assert found == [True, False, True]


@pytest.mark.parametrize(
    "pattern", ["", "docs/", "/docs", "./a", "+a", "**?", "[", "[!a]", "[z-a]"]
)
def test_a_pattern_without_a_meaning_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        check([pattern])

"""Coverage: unions, files never loaded, and contents that must not be mixed."""

from hotfire_infra.analysis.coverage import FileBitmaps, summarise, union_of_files


def seen(path, executable, hit, *, digest="a", language="c++", platform="linux-x86_64"):
    return FileBitmaps(
        suite="unit", platform=platform, language=language, path=path, file_sha256=digest,
        executable=executable.to_bytes(2, "little"), hit=hit.to_bytes(2, "little"),
    )  # fmt: skip


def test_hits_of_two_platforms_unite():
    (file,) = union_of_files([seen("a.cpp", 0b1111, 0b0001), seen("a.cpp", 0b1111, 0b0110)])
    assert (file.executable_lines, file.hit_lines) == (4, 3)


def test_contents_of_different_digest_are_never_mixed():
    files = union_of_files([seen("a.cpp", 0b11, 0b01), seen("a.cpp", 0b11, 0b10, digest="b")])
    assert [file.hit_lines for file in files] == [1, 1]


def test_a_file_never_loaded_counts_as_nothing_hit():
    files = union_of_files([seen("a.cpp", 0b11, 0b11), seen("b.cpp", 0b111111, 0)])
    (language,) = summarise(files)
    assert language.share == 0.25
    assert language.never_loaded == 1


def test_a_hit_outside_the_executable_lines_is_not_counted():
    (file,) = union_of_files([seen("a.cpp", 0b01, 0b11)])
    assert file.share == 1.0


def test_languages_are_told_apart_by_the_names_people_write():
    files = union_of_files([seen("a.py", 1, 1, language="python"), seen("a.cpp", 1, 0)])
    assert [language.language for language in summarise(files)] == ["C++", "Python"]

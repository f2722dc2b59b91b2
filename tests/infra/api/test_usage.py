"""How much an attempt may send, and how often the file system is asked whether there is room."""

from __future__ import annotations

import shutil

import pytest

from hotfire_infra.api.usage import PLENTY_BYTES, ROOM_SECONDS, Usage
from hotfire_infra.errors import StorageFullError
from hotfire_infra.sections.limits import LimitsSection

KEPT = 1 << 20


@pytest.fixture
def disk(monkeypatch):
    """What the file system answers, last one first; each answer is given once."""
    answers: list[int] = []
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=answers.pop()))
    return answers


def test_with_plenty_of_room_the_file_system_is_asked_a_few_times_a_second(tmp_path, disk):
    now = [5.0]
    usage = Usage(clock=lambda: now[0])
    limits = LimitsSection(free_disk_bytes=KEPT)
    disk[:] = [KEPT - 1, KEPT + PLENTY_BYTES]
    for _ in range(9):
        usage.check_room(tmp_path, limits)
    assert disk == [KEPT - 1]
    now[0] += ROOM_SECONDS
    with pytest.raises(StorageFullError, match="kept back"):
        usage.check_room(tmp_path, limits)


def test_with_little_room_it_is_asked_for_each_batch(tmp_path, disk):
    usage = Usage()
    limits = LimitsSection(free_disk_bytes=KEPT)
    disk[:] = [KEPT - 1, KEPT + PLENTY_BYTES - 1]
    usage.check_room(tmp_path, limits)
    with pytest.raises(StorageFullError):
        usage.check_room(tmp_path, limits)

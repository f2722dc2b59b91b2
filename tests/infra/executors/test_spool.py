"""Files of an attempt's directory: whole, whoever writes them at once."""

from __future__ import annotations

import threading
from pathlib import Path

from hotfire_infra.executors.spool import read_object, write_object

WRITERS, TIMES = 4, 300


def test_several_threads_may_write_one_file_at_once(tmp_path: Path):
    path = tmp_path / "claim.answer"
    errors: list[BaseException] = []
    together = threading.Barrier(WRITERS)

    def work(number: int) -> None:
        try:
            together.wait(30)
            for _ in range(TIMES):
                write_object(path, {"number": number, "padding": "x" * 4000 * number})
                assert read_object(path) is not None
        except BaseException as error:  # noqa: BLE001  # raised again in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(WRITERS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert not errors, errors[0]
    assert [one.name for one in tmp_path.iterdir()] == ["claim.answer"]

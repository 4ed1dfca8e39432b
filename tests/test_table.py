"""Files of rows that a run continues."""

from pathlib import Path

import pytest

from tests.data.refusal import refusal
from vqa.many import ANSWER
from vqa.table import Table

ROWS = [{"photo": photo, "question": "what?", "answer": "a\ncat", "model": "m"} for photo in ("a", 'b\n"c",', "d")]


@pytest.mark.parametrize("as_csv", [True, False])
def test_it_is_continued_wherever_it_was_cut(tmp_path: Path, as_csv: bool) -> None:
    path = tmp_path / "rows"
    table = Table(str(path), as_csv, ANSWER, "m")
    table.append(ROWS)
    table.file.close()
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        table = Table(str(path), as_csv, ANSWER, "m")
        table.append(row for row in ROWS if table.key(row) not in table.done)
        table.file.close()
        assert path.read_bytes() == whole


def test_another_run_cannot_write_it(tmp_path: Path) -> None:
    table = Table(str(tmp_path / "rows"), True, ANSWER, "m")
    assert "Another process is writing to" in refusal(Table, str(tmp_path / "rows"), True, ANSWER, "m")
    table.file.close()
    assert Table(str(tmp_path / "rows"), True, ANSWER, "m").done == set()

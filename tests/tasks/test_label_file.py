"""What a label file says row by row, and what of it is refused with which reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import LabelFileError
from tasks.labels.file import MOST_BYTES, BadRow, LabelRow, read_labels

if TYPE_CHECKING:
    from pathlib import Path


def test_the_same_rows_are_read_from_each_format(tmp_path: Path) -> None:
    """CSV with a byte-order mark, JSON lines and Parquet say the same."""
    (tmp_path / "a.csv").write_text(
        "\ufeffsession,label,start_s,end_s\ntake, walk ,0.5,2\n", "utf-8"
    )
    (tmp_path / "a.jsonl").write_text(
        '{"session": "take", "label": "walk", "start_s": 0.5, "end_s": 2}\n', "utf-8"
    )
    table = pa.table({"session": ["take"], "label": ["walk"], "start_s": [0.5], "end_s": [2.0]})
    pq.write_table(table, tmp_path / "a.parquet")
    found = [read_labels(tmp_path / f"a.{kind}")[0] for kind in ("csv", "jsonl", "parquet")]
    assert all(isinstance(one, LabelRow) for one in found)
    assert {
        (one.kind, one.place, one.label, one.start_ns, one.end_ns)
        for one in found
        if isinstance(one, LabelRow)
    } == {("session", "take", "walk", 500_000_000, 2_000_000_000)}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("take,,,", "label_empty"),
        ("take,walk,2,1", "span_invalid"),
        ("take,walk,nan,1", "span_invalid"),
        ("take,walk,1e300,", "span_invalid"),
        (",walk,,", "place_unclear"),
        (f"take,{'w' * 201},,", "label_unusable"),
        ("take,wa\x07lk,,", "label_unusable"),
        ("take,walk,,,more", "row_malformed"),
    ],
)
def test_a_row_that_says_nothing_usable_has_a_reason(tmp_path: Path, row: str, reason: str) -> None:
    """And the row after it is read."""
    path = tmp_path / "a.csv"
    path.write_text(f"session,label,start_s,end_s\n{row}\ntake,run,,\n", "utf-8")
    bad, good = read_labels(path)
    assert isinstance(bad, BadRow)
    assert bad.reason == reason
    assert isinstance(good, LabelRow)


def test_a_file_that_is_no_text_of_bearable_size_is_refused(tmp_path: Path) -> None:
    """Not UTF-8, no column, another format, a hole of 64 MiB."""
    for name, data in (
        ("a.csv", b"session,label\ntake,caf\xe9\n"),
        ("b.csv", b"when,what\n1,2\n"),
        ("c.txt", b"session,label\n"),
        ("d.parquet", b"PAR1 nothing PAR1"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(LabelFileError):
            read_labels(tmp_path / name)
    with (tmp_path / "e.csv").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(LabelFileError, match="bytes"):
        read_labels(tmp_path / "e.csv")

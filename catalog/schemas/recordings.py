"""The table `recordings`: what one full decode found in one video stream.

Declares only. Facts of content alone, so a row never changes: which session and camera a recording
belongs to, and on which clock, is a fact of `sessions`, where the same bytes may stand twice.
"""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

BAD_SPAN = pa.struct(
    [
        pa.field("start_ns", pa.int64(), nullable=False),
        pa.field("end_ns", pa.int64(), nullable=False),
    ]
)

RECORDINGS = Table(
    name="recordings",
    doc="One row a video stream: what its one full decode found.",
    schema=pa.schema(
        [
            column(
                "recording_id", pa.string(), "BLAKE3 of the bytes, and the stream if not the first"
            ),
            column("file_id", pa.string(), "BLAKE3 of the bytes of its file"),
            column("archive_uri", pa.string(), "the archive it was first found in"),
            column("member", pa.string(), "the member it was first found as"),
            column("stream", pa.int32(), "index among the file's video streams"),
            column("byte_offset", pa.int64(), "where its file starts in the archive's file"),
            column("byte_size", pa.int64(), "size of its file"),
            column("container", pa.string(), "container format as the demuxer names it"),
            column("codec", pa.string(), "video codec"),
            column("pixel_format", pa.string(), "pixel format as stored"),
            column("width", pa.int32(), "pixels, as displayed"),
            column("height", pa.int32(), "pixels, as displayed"),
            column("rotation", pa.int32(), "degrees to turn stored pictures: 0, 90, 180 or 270"),
            column("color_space", pa.string(), "matrix as tagged", null=True),
            column("color_range", pa.string(), "range as tagged", null=True),
            column("color_transfer", pa.string(), "transfer as tagged", null=True),
            column("color_primaries", pa.string(), "primaries as tagged", null=True),
            column("rate_num", pa.int64(), "average frames a second, numerator; 0 unknown"),
            column("rate_den", pa.int64(), "average frames a second, denominator"),
            column("is_vfr", pa.bool_(), "frames are not evenly spaced"),
            column("start_pts", pa.int64(), "pts of the first shown frame: 0 of its clock"),
            column("time_base_num", pa.int64(), "seconds a pts, numerator"),
            column("time_base_den", pa.int64(), "seconds a pts, denominator"),
            column("duration_ns", pa.int64(), "from the first frame shown to the end of the last"),
            column("frames_header", pa.int64(), "frames the header promises; 0 unknown"),
            column("frames_decoded", pa.int64(), "frames decoded whole"),
            column("frames_bad", pa.int64(), "frames damaged or missing"),
            column("bad_spans", pa.list_(BAD_SPAN), "what cannot be decoded, on its own clock"),
            column("reason", pa.string(), "why frames are bad; null if none is", null=True),
            column("has_audio", pa.bool_(), "the file has a sound stream"),
            column(
                "created_ns", pa.int64(), "when its file claims to be made, since 1970", null=True
            ),
            column("signals", pa.binary(), "change, brightness, contrast, centre of each frame"),
            column("hashes", pa.binary(), "four 64-bit difference hashes a second, little endian"),
            column("status", pa.string(), "ok, or salvaged where frames are bad"),
            column("decoder_build", pa.string(), "the decoder that decoded it"),
            column("flow_run_id", pa.string(), "the flow run that decoded it"),
        ]
    ),
    key=("recording_id",),
    sort_by=("archive_uri", "member", "stream"),
    # A row is 10 KB a minute: small groups keep the look-up of some recordings cheap.
    row_group_rows=256,
    plain_columns=("signals", "hashes"),
    volatile=("flow_run_id", "archive_uri", "member", "byte_offset"),
)

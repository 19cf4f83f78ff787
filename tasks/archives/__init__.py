"""What an archive can be: a folder, a tar or zip, a prefix of an object store, or a manifest.

`contents.py` is the door: it lists any of them. Here each medium has its file (`folder`,
`tar`, `zip`, `objects`, `manifest`), which reads and never writes; `reading` and `unpack` make
bytes of a member readable in place; `packed` opens compressed members; `entry` is one line of a
listing. Nothing is unpacked to disk, no name in an archive is ever used to write, no link in a
tar is followed, archives inside archives stay closed. May import what tasks may, but no Ray and no
Prefect: workers read through here.
"""

"""The joints of a skeleton and what ties them: BlazePose's 33, by number. Pure.

0 nose, 1-6 eyes, 7-8 ears, 9-10 mouth, 11-12 shoulders, 13-14 elbows, 15-16 wrists, 17-22 hands,
23-24 hips, 25-26 knees, 27-28 ankles, 29-30 heels, 31-32 toes; odd numbers from 11 are left.
"""

from __future__ import annotations

JOINTS = 33
# Joints that a bone ties: face, trunk, arms and hands, legs and feet.
BONES = (
    (8, 6), (6, 5), (5, 4), (4, 0), (0, 1), (1, 2), (2, 3), (3, 7), (10, 9),
    (11, 12), (11, 23), (12, 24), (23, 24),
    (11, 13), (13, 15), (15, 17), (15, 19), (15, 21), (17, 19),
    (12, 14), (14, 16), (16, 18), (16, 20), (16, 22), (18, 20),
    (23, 25), (25, 27), (27, 29), (29, 31), (27, 31),
    (24, 26), (26, 28), (28, 30), (30, 32), (28, 32),
)  # fmt: skip

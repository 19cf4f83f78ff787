"""How well an encoder of a manifold finds moments in training sessions: what chooses the method.

Arrays in, figures out. Nothing that is held out, or of a later time of a rig, is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.ranking import cosine, retrieval

if TYPE_CHECKING:
    from models.manifold_encoder import ManifoldEncoder
    from tasks.manifold.material import ManifoldRows

# Of each session's windows, in order of time, the last so many are for validation.
VALIDATED = 0.3


def validation_split(rows: ManifoldRows) -> tuple[list[int], list[int]]:
    """Return the windows to learn from and those to validate on: each session's last ones."""
    early: list[int] = []
    late: list[int] = []
    sessions = np.array(rows.sessions)
    for session in dict.fromkeys(rows.sessions):
        windows = np.flatnonzero(sessions == session).tolist()
        cut = len(windows) - int(VALIDATED * len(windows))
        early += windows[:cut]
        # One between them is left out: windows overlap.
        late += windows[cut + 1 :]
    return early, late


def cross_camera_precision(
    rows: ManifoldRows, encoder: ManifoldEncoder, steps: int
) -> float | None:
    """Return how well a window through one camera finds itself through others, mean over sessions.

    Mean average precision among all windows through other cameras; of windows that overlap in part
    neither is right or wrong. None where no window has two cameras.
    """
    items = sorted(
        {
            (int(w), int(c))
            for one in rows.views
            for w, c in zip(one.window, one.camera, strict=True)
        }
    )
    if not items:
        return None
    at = {item: k for k, item in enumerate(items)}
    total = np.zeros((len(items), encoder.config.dims + 1))
    with torch.inference_mode():
        for one in rows.views:
            if one.view not in encoder.config.views:
                continue
            placed = encoder.views[one.view](torch.from_numpy(one.rows)).double().numpy()
            where = [at[int(w), int(c)] for w, c in zip(one.window, one.camera, strict=True)]
            # A view says one thing of a camera's window: no item comes twice.
            total[where, :-1] += placed
            total[where, -1] += encoder.config.lift
    window = np.array(items)[:, 0]
    recording = [f"{rows.sessions[w]}/{c}" for w, c in items]
    clip = np.array([rows.clips[w] for w in window])
    first = np.array([rows.firsts[w] for w in window])
    same = window[:, None] == window
    near = (clip[:, None] == clip) & (np.abs(first[:, None] - first) < steps)
    number = np.unique(recording, return_inverse=True)[1]
    admitted = (number[:, None] != number) & (same | ~near)
    found = retrieval(cosine(total, total), same, admitted).precision
    scores: dict[str, list[float]] = {}
    for w, value in zip(window, found, strict=True):
        if np.isfinite(value):
            scores.setdefault(rows.sessions[w], []).append(float(value))
    return float(np.mean([np.mean(one) for one in scores.values()])) if scores else None

"""Embed a video by an exported student; numpy, PyAV and ONNX Runtime are all it needs.

stillhouse export models:/student/1 --to student-onnx --int8
python docs/example_student.py student-onnx video.mp4

Prints, for every 80 ms of the video, the moment at least a second before that is most like it.
"""

import json
import sys
from pathlib import Path

import av
import numpy as np
import onnxruntime

folder, video = Path(sys.argv[1]), sys.argv[2]
manifest = json.loads((folder / "manifest.json").read_text())
net = onnxruntime.InferenceSession(folder / manifest["ships"])
shapes = {port["name"]: port["shape"] for port in manifest["inputs"]}
side, state = shapes["rgb"][-1], np.zeros(shapes["state"], np.float32)
times, embeddings = [], []
with av.open(video) as container:
    for frame in container.decode(video=0):
        if times and frame.time < times[-1] + 0.0799:
            continue
        small = frame.reformat(side, side, "rgb24", interpolation="AREA").to_ndarray()
        fed = {
            "rgb": small.transpose(2, 0, 1)[None],
            "state": state,
            "mask": np.ones(1, bool),
            "dt": np.array([frame.time - times[-1] if times else 0.0], np.float32),
        }
        embedding, state = net.run(["embedding", "next_state"], fed)
        times.append(frame.time)
        embeddings.append(embedding[0])
        like = np.array(embeddings) @ embedding[0]
        before = [k for k, time in enumerate(times) if time <= frame.time - 1]
        best = max(before, key=lambda k: like[k], default=None)
        found = "" if best is None else f"  like {times[best]:6.2f} s, cosine {like[best]:.3f}"
        print(f"{frame.time:6.2f} s{found}")

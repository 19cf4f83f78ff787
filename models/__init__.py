"""models: tensors in, tensors out. A model is its config and its arithmetic.

Imports torch and numpy only (and `range_coder.py` the library that turns symbols into bytes): no
files but weights, no tables, no engines, no settings. Start at `superresolution.py`, or at
`distiller.py` for the code of many cameras, `student.py` for one that runs on devices (what of a
model leaves the house: `portable.py`); `weights.py` turns a model into safetensors and back.
"""

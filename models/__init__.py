"""models: tensors in, tensors out. A model is its config and its arithmetic.

Imports torch and numpy only: no files but weights, no tables, no engines, no settings.
Start at `superresolution.py`; `weights.py` turns a model into safetensors and back.
"""

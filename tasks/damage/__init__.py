"""Damage to pictures by family: noise, blur, coding, light, geometry, timing, rig.

`corruptions.py` is the list of them and the way in. Everything here is pure but `coding.py`, which
writes and reads small videos in a temporary folder.
"""

"""Editing: regions that are followed and changed, and edit lists that are cut and mixed.

A region is marked on one frame of one camera (`marks.py`), told apart by its colours and motion
(`evidence.py`), followed through time (`following.py`) and found in the other cameras
(`finding.py`), then changed (`changes.py`). An edit list (`edit_list.py`) becomes a timeline
(`timeline.py`) whose pictures and sounds are mixed by weights (`mixing.py`). Pure arithmetic on
pictures, masks and numbers, but for files of marks and lists; start at `regions.py`.
"""

"""tasks.pose: the people of a clip by BlazePose, found once for the views that need them.

`people.py` is where to start: a clip's pictures in, joints and outlines of up to two people out.
It drives `detector.py` (where is somebody?) and `landmarks.py` (33 joints and a mask inside a
turned square), whose networks `networks.py` compiles once a process. May import what any task may.
"""

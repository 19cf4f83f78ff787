"""tasks.views: the named, versioned ways to describe a clip, one file each.

`view.py` is the protocol, `catalogue.py` the list, `version.py` the key of a feature. A new view
is one file and one line in `catalogue.VIEWS`.
"""

"""How Sphinx builds the site; `build.py` calls it. Nothing in it comes from the internet."""

project = "Stillhouse"
author = "The Stillhouse authors"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
# Links may go to any heading, in the words that a page of a repository would have for it.
myst_heading_anchors = 4
# Decisions begin where their title ends, and some go from a second to a fourth heading.
suppress_warnings = ["myst.header"]
# An option stays --option, and quotes stay what can be typed.
smartquotes = False
highlight_language = "none"
html_theme = "furo"
html_title = "Stillhouse"
html_static_path = ["static"]
html_css_files = ["house.css"]
html_show_copyright = html_show_sphinx = html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"footer_icons": []}
pygments_dark_style = "github-dark"

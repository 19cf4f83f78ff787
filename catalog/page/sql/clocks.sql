-- Which words say how clocks were found, as it was laid out?
from page_clocks

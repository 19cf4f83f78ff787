-- How much is there, in numbers, as it was laid out?
from page_facts

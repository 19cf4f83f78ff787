-- How often was what refused for which reason, as it was laid out?
from page_reasons

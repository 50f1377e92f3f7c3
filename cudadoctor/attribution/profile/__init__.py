"""Why a user's program is slow: from the records of one traced run to parts, what-ifs and causes. Pure functions."""

"""Run as `python -m package`: relative imports work, and the arguments are its own."""

import os
import sys

from .part import ANSWER

print("answer:", ANSWER, "name:", __name__, "package:", __package__)
print("argv:", [os.path.basename(sys.argv[0]), *sys.argv[1:]])

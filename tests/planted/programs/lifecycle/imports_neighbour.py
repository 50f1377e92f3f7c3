"""Imports a module that lies beside it, and tells what Python tells a script about itself."""

import os
import sys

import neighbour

print(neighbour.GREETING)
print("name:", __name__, "file:", os.path.basename(__file__), "argv:", os.path.basename(sys.argv[0]))
print("path:", os.path.realpath(sys.path[0]) == os.path.dirname(os.path.realpath(__file__)))
print("spec:", __spec__, "package:", __package__, "cached:", globals().get("__cached__"))
print("main:", sys.modules["__main__"].__dict__ is globals())

"""Changes the working directory and writes there; nothing else may land beside it."""

import os
import tempfile

with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    with open("mine.txt", "w", encoding="utf-8") as out:
        out.write("mine")
    print("files:", os.listdir())
    os.chdir("/")
print("name:", os.path.basename(__file__))

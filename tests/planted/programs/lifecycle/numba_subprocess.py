"""Starts another Python program that uses the GPU, and passes on what it prints."""

import os
import subprocess
import sys

child = os.path.join(os.path.dirname(os.path.abspath(__file__)), "numba_launches.py")
done = subprocess.run([sys.executable, child], capture_output=True, text=True, check=True)
print("child said:", done.stdout.strip().splitlines()[0])

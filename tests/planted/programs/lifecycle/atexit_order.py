"""Handlers at exit run last in, first out, once the last thread is done; what they print still arrives."""

import atexit
import sys
import threading

atexit.register(print, "first registered")
atexit.register(print, "second registered")
threading.Timer(0.2, lambda: print("thread")).start()
atexit.register(lambda: sys.stderr.write("to standard error\n"))
print("last line")

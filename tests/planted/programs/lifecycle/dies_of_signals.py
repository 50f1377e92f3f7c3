"""Waits, and handles no signal: Ctrl-C ends it with a traceback and by SIGINT, SIGTERM at once."""

import time

print("ready", flush=True)
while True:
    time.sleep(0.05)

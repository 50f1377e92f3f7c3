"""Waits for a signal and says which came; SIGINT as KeyboardInterrupt, SIGTERM by a handler, exit code 7."""

import signal
import sys
import time


def stop(number, frame):
    print(f"handler: {signal.Signals(number).name}", flush=True)
    sys.exit(7)


signal.signal(signal.SIGTERM, stop)
try:
    print("ready", flush=True)
    while True:
        time.sleep(0.05)
except KeyboardInterrupt:
    print("handler: SIGINT", flush=True)
    sys.exit(7)

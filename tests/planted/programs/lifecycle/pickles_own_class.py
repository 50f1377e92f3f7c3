"""Pickles an object of a class that is defined in __main__, and finds it again."""

import pickle
from dataclasses import dataclass


@dataclass
class Point:
    x: int
    y: int


if __name__ == "__main__":
    data = pickle.dumps(Point(1, 2))
    print(b"__main__" in data, pickle.loads(data))

"""Calls of the CUDA driver API by name, and what a call that fails raises."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

from cudadoctor.gpu.driver_prototypes import PROTOTYPES
from cudadoctor.gpu.errors import cuda_error


class DriverError(Exception):
    """A call of the driver API failed.

    `call` is the function, `code` its CUresult, `name` the code's name; `code` is None if this driver lacks the call.
    """

    def __init__(self, call: str, code: int | None, name: str | None = None) -> None:
        """Say what failed, with the meaning of the code."""
        self.call = call
        self.code = code
        if code is None:
            self.name = name or "not in this driver"
            super().__init__(f"this driver does not have {call}")
        else:
            known = cuda_error(code)
            self.name = name or known.name
            super().__init__(f"{call} failed with {self.name} ({code}): {known.meaning}")


class DriverCalls:
    """The loaded driver library, whose functions are called by their names."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Use a library that was loaded."""
        self._loaded = library
        self._functions: dict[str, Any] = {}

    def call(self, name: str, *arguments: Any) -> None:
        """Call one function of `PROTOTYPES`.

        Raises:
            DriverError: It did not return CUDA_SUCCESS, or the library does not have it.
        """
        code = self._function(name)(*arguments)
        if code != 0:
            raise DriverError(name, code)

    def bound(self, name: str, *arguments: Any) -> Callable[[], int]:
        """Return a call with its arguments converted, for whoever times it: it returns the CUresult.

        Raises:
            DriverError: The library does not have it.
        """
        function = self._function(name)
        converted = [kind(argument) for kind, argument in zip(PROTOTYPES[name], arguments, strict=True)]
        return functools.partial(function, *converted)

    def _function(self, name: str) -> Any:
        function = self._functions.get(name)
        if function is None:
            try:
                function = getattr(self._loaded, name)
            except AttributeError:
                raise DriverError(name, None) from None
            function.argtypes = PROTOTYPES[name]
            function.restype = ctypes.c_int
            self._functions[name] = function
        return function

    def _release(self, name: str, *arguments: Any) -> None:
        """Give something back. An error is not raised: after a fault every call fails, and the first told why."""
        try:
            self.call(name, *arguments)
        except DriverError:
            return

"""libcupti through ctypes: only what a trace needs, standard library alone, for it runs in the user's process."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p

# CUpti_ActivityKind of cupti_activity.h, 11.0 to 13.0; what an older library does not know is left out. Records of
# calls and of waits are not asked for, since CUPTI then looks at each call of both APIs, most of which only ask
# something: on an H100 they made 10,000 launches of PyTorch take half as long again. A callback of our own sees calls.
KINDS = {
    "MEMCPY": 1,
    "MEMSET": 2,
    "CONCURRENT_KERNEL": 10,
    "MARKER": 12,
    "OVERHEAD": 17,
    "MEMCPY2": 22,
    "GRAPH_TRACE": 51,
    "JIT": 52,
}

LAST = {"DRIVER": 4}
"""Records of the driver's calls: asked for at the very end, to see that records still come here."""

NEEDED = ("CONCURRENT_KERNEL", "MEMCPY")
"""Without these there is nothing to explain."""

DRIVER_API = 1
"""CUpti_CallbackDomain. What the runtime API does, it does through the driver's."""

_FLUSH_FORCED = 1
_THREAD_ID_OF_THE_SYSTEM = 1
_MOST_CALLBACK_IDS = 1200

# What the errors mean that a user may meet: CUptiResult of cupti_result.h.
MEANINGS = {
    8: "the tracer got no memory",
    13: "the driver is not ready",
    14: "this libcupti and this driver do not fit together",
    15: "the driver could not be initialised",
    27: "this device does not support it",
    33: "tracing is not possible on a virtual GPU",
    35: "tracing is allowed to administrators only",
    38: "the device is too old for this libcupti",
    39: "another tool holds CUPTI",
    40: "the virtual GPU does not allow tracing",
    41: "tracing is not possible under confidential computing",
    43: "tracing is not possible on this MIG instance",
    45: "tracing is not possible under WSL2 with this driver",
}


class CuptiError(Exception):
    """A call of libcupti failed; `code` is its CUptiResult."""

    def __init__(self, call: str, code: int, name: str) -> None:
        """Take what failed and how."""
        meaning = MEANINGS.get(code)
        super().__init__(f"{call} returned {name} ({code})" + (f": {meaning}" if meaning else ""))
        self.code = code


class Cupti:
    """A loaded libcupti; each method is one call and raises `CuptiError` if it fails."""

    def __init__(self, path: str) -> None:
        """Load the library.

        Raises:
            OSError: It cannot be loaded; the text is the loader's.
        """
        self.path = path
        self._functions = ctypes.CDLL(path)

    def call(self, name: str, *arguments: object) -> None:
        """Call a function.

        Raises:
            CuptiError: It failed, or this library does not have it.
        """
        try:
            function = getattr(self._functions, name)
        except AttributeError:
            raise CuptiError(name, 11, "CUPTI_ERROR_API_NOT_IMPLEMENTED") from None
        code = function(*arguments)
        if code:
            raise CuptiError(name, code, self._name_of(code))

    def _name_of(self, code: int) -> str:
        text = c_char_p()
        if self._functions.cuptiGetResultString(c_int(code), byref(text)) or not text.value:
            return "an unknown error"
        return text.value.decode("ascii", "replace")

    def version(self) -> int:
        """Return CUPTI_API_VERSION: a counter up to 28 for CUDA 12.9, 130000 and so on from 13.0."""
        version = c_uint32()
        self.call("cuptiGetVersion", byref(version))
        return version.value

    def timestamp(self) -> int:
        """Return nanoseconds of the clock that records carry."""
        now = c_uint64()
        self.call("cuptiGetTimestamp", byref(now))
        return now.value

    def register(self, requested: int, completed: int) -> None:
        """Name the callbacks for buffers, by address."""
        self.call("cuptiActivityRegisterCallbacks", c_void_p(requested), c_void_p(completed))

    def use_system_thread_ids(self) -> None:
        """Let records name threads as gettid() does."""
        self.call("cuptiSetThreadIdType", c_int(_THREAD_ID_OF_THE_SYSTEM))

    def enable(self, kind: int) -> None:
        """Record a kind of activity."""
        self.call("cuptiActivityEnable", c_int(kind))

    def flush(self, *, forced: bool) -> None:
        """Hand over what is complete; forced, also buffers with records that are not."""
        self.call("cuptiActivityFlushAll", c_uint32(_FLUSH_FORCED if forced else 0))

    def dropped(self) -> int:
        """Return how many records found no buffer."""
        count = c_size_t()
        self.call("cuptiActivityGetNumDroppedRecords", c_void_p(), c_uint32(0), byref(count))
        return count.value

    def next_record_address(self) -> int:
        """Return the address of cuptiActivityGetNextRecord."""
        return self._address_of("cuptiActivityGetNextRecord")

    def timestamp_address(self) -> int:
        """Return the address of cuptiGetTimestamp."""
        return self._address_of("cuptiGetTimestamp")

    def _address_of(self, name: str) -> int:
        return ctypes.cast(getattr(self._functions, name), c_void_p).value or 0

    def call_back(self, callback: int, domain: int, ids: list[int]) -> None:
        """Let a callback, by address, be called around calls of an API."""
        subscriber = c_void_p()
        self.call("cuptiSubscribe", byref(subscriber), c_void_p(callback), c_void_p())
        for number in ids:
            self.call("cuptiEnableCallback", c_uint32(1), subscriber, c_int(domain), c_uint32(number))

    def call_names(self, domain: int) -> dict[int, str]:
        """Return the names of all calls of an API by the ids that records carry (without the version suffix)."""
        names = {}
        text = c_char_p()
        for number in range(1, _MOST_CALLBACK_IDS):
            if not self._functions.cuptiGetCallbackName(c_int(domain), c_uint32(number), byref(text)) and text.value:
                names[number] = text.value.decode("ascii", "replace")
        return names

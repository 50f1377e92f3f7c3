"""# The toolkit's stub libcuda is loaded in place of the driver's

## What it checks
Whether the driver API answers 34 (stub library), or the libcuda that is loaded, or would be, lies in a `stubs`
folder.

## Why it matters
Toolkits ship an empty libcuda so that programs can be linked on machines without a driver.
Where its folder stands on the search path it wins over the real one, and every call fails.

## How to fix it
Take the `stubs` folder out of `LD_LIBRARY_PATH` and of `/etc/ld.so.conf.d`, then run `ldconfig`.

```sh
ldconfig -p | grep libcuda; grep -rn -e compat -e stubs /etc/ld.so.conf.d
export LD_LIBRARY_PATH="$(echo "$LD_LIBRARY_PATH" | sed -E 's#[^:]*/(compat|stubs)[^:]*:?##g')"
```

## Limits
A stub that nothing loads is no finding: every toolkit has one.

## Sources
CUDA_ERROR_STUB_LIBRARY (cuda.h).
Met by users in:
- <https://github.com/numba/numba/issues/8985>
- <https://github.com/numba/numba/issues/9732>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.libraries import Libraries
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.libraries.foreign import WITHOUT_COMPAT, foreign_evidence
from cudadoctor.rules.reading import cuda_error, is_stub, mapped_libcuda, on_search_path, passed, said


@rule(
    id="stub-libcuda-loaded",
    title="The toolkit's stub libcuda is loaded in place of the driver's",
    severity=Severity.ERROR,
    explains=("libcuda-missing", "mig-without-instance", "driver-call-failed"),
    shows={
        "cuda:34": 9,
        "stub": 7,
        "cuda:35 stub": 2,
    },
    confirm=Confirm(
        '/sbin/ldconfig -p | grep libcuda.so; echo "$LD_LIBRARY_PATH"',
        'a "stubs" folder',
    ),
)
def stub_libcuda_loaded(
    ladder: Ladder | Missing,
    driver: Driver | Missing,
    libraries: Libraries | Missing,
    environment: Environment | Missing,
) -> Iterator[Finding]:
    """Fire on 34, or where the libcuda that comes first is a stub and cuInit has not passed."""
    step = cuda_error(ladder, 34)
    path, release = mapped_libcuda(driver, libraries)
    if step is None and (passed(ladder, "cu-init") or not is_stub(path)):
        return
    if not is_stub(path):
        # numba asks for libcuda.so before libcuda.so.1, so a stub may be loaded although the real one is there.
        stubs = (f for f in on_search_path(libraries, "libcuda") if is_stub(f.path, f.real_path))
        path, release = next(((f.path, f.release) for f in stubs), (path, release))
    where = path if is_stub(path) else None
    yield finding(
        stub_libcuda_loaded,
        summary=f"The libcuda that programs get{f', {where},' if where else ''} is the toolkit's stub, not the "
        "driver's.",
        cause="A stubs folder of a CUDA toolkit stands on the library search path before the driver's own folder.",
        confidence="proven" if step is not None or is_stub(path) else "supported",
        evidence=(
            *((said(step),) if step else ()),
            *foreign_evidence(path, release, Missing("not of interest"), None, environment),
        ),
        fix=Fix("Take the stubs folder off the search path, here and where it is set for good.", WITHOUT_COMPAT),
    )

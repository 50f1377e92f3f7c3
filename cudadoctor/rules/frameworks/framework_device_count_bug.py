"""# The framework counts GPUs differently from the driver

## What it checks
Whether a framework that was asked (`check --frameworks`) sees another number of GPUs than the driver API shows this
process.
In a text: a count of devices that contradicts the driver, as in an assertion on the device number.

## Why it matters
PyTorch can count through NVML, without a context; where NVML and the driver see different devices (MIG, variables set
late, containers), the count is wrong for the process.

## How to fix it
Set CUDA_VISIBLE_DEVICES before the framework is imported and leave it alone; unset PYTORCH_NVML_BASED_CUDA_CHECK;
update the framework.

```sh
unset PYTORCH_NVML_BASED_CUDA_CHECK
python -m pip install --upgrade torch
```

## Limits
Several MIG instances give the same assertion: a process sees one only.
TensorFlow leaves out GPUs that it finds too small, so fewer are no fault of its count.
A framework that sees none at all has another trouble, unless the variable makes it count through NVML.

## Sources
- <https://pytorch.org/docs/stable/notes/cuda.html>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.frameworks import Framework, Frameworks
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.frameworks.subject import TITLES
from cudadoctor.rules.reading import seen

_VARIABLE = "PYTORCH_NVML_BASED_CUDA_CHECK"
_OWN_VARIABLES = {"jax": ("JAX_CUDA_VISIBLE_DEVICES",)}


@rule(
    id="framework-device-count-bug",
    title="The framework counts GPUs differently from the driver",
    severity=Severity.WARNING,
    shows={
        "nvml-count-variable": 6,
        "count-assert": 5,
        "cvd-uuid device-count-0": 7,
        "device-count-0 works-on-device": 7,
        "device-count-0": 3,
        "queued-call": 4,
        "device-count-0 mig": 2,
    },
    confirm=Confirm(
        'python -c "import torch; print(torch.cuda.device_count())"; nvidia-smi -L; env | grep -E '
        '"PYTORCH_NVML|CUDA_VISIBLE"',
        "another count than GPUs in the list, with neither variable set to explain it",
    ),
)
def framework_device_count_bug(
    frameworks: Frameworks, driver: Driver, environment: Environment | Missing
) -> Iterator[Finding]:
    """Fire where both counts are known and differ."""
    counted = driver.device_count
    if isinstance(counted, Missing) or counted.value == 0:
        return
    variables = environment.variables if isinstance(environment, Environment) else {}
    by_nvml = variables.get(_VARIABLE, "0") not in ("", "0")
    for framework in frameworks.asked:
        count = known(framework.device_count)
        if count is None or count == counted.value or _meant(framework, count, counted.value, variables):
            continue
        if count == 0 and not (by_nvml and framework.name == "torch"):
            continue
        evidence = seen(f"GPUs that {framework.name} counts", framework.device_count)
        evidence += seen("GPUs that the driver API counts", counted)
        for name in (_VARIABLE, "CUDA_VISIBLE_DEVICES"):
            if name in variables:
                evidence += (Evidence(name, variables[name], "environment"),)
        yield finding(
            framework_device_count_bug,
            summary=f"{TITLES.get(framework.name, framework.name)} counts {count} GPUs, and the driver shows this "
            f"process {counted.value}.",
            cause="The framework counts through NVML or remembers an older count; NVML knows nothing of what a process "
            "may use.",
            confidence="proven",
            evidence=evidence,
            fix=Fix(
                "Set CUDA_VISIBLE_DEVICES before Python starts and not inside the program, let the framework count "
                "through the driver, and update it.",
                (f"unset {_VARIABLE}",) if by_nvml else (),
            ),
        )


def _meant(framework: Framework, count: int, counted: int, variables: dict[str, str]) -> bool:
    """Say whether the framework may well mean to see fewer."""
    if count > counted:
        return False
    own = any(name in variables for name in _OWN_VARIABLES.get(framework.name, ()))
    return framework.name == "tensorflow" or own or not isinstance(framework.device_count, Known)

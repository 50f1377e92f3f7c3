"""# The CUDA plugin of JAX is installed but did not start

## What it checks
Whether the CUDA plugin of JAX is of another release than jaxlib, or JAX, when it was asked (`check --frameworks`), saw
no GPU although its plugin is installed and the driver works.
In a text: whether the CUDA plugin or the backend cuda of JAX failed to initialise.

## Why it matters
JAX loads its CUDA support as a plugin of its own version. If that fails, JAX goes on with the CPU and its last line
is that of a CPU install.

## How to fix it
Read the error of the plugin: it names a library that is missing or a version that differs. Install jax, jaxlib and
the plugin of one version, and keep CUDA folders out of LD_LIBRARY_PATH.

```sh
unset LD_LIBRARY_PATH
python -m pip install -U "jax[cuda12]"
```

## Limits
A driver that cannot start fails the backend too; the error code beside the line tells.
Where JAX was asked and used the GPU, releases that differ did no harm, and nothing is said.

## Sources
- <https://docs.jax.dev/en/latest/installation.html>
- `check_plugin_version` in jaxlib/plugin_support.py, which compares all numbers of the two versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.frameworks import Frameworks
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.packages import Packages
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.frameworks.installing import install_jax
from cudadoctor.rules.frameworks.subject import (
    Subject,
    driver_cuda,
    lacks_code,
    needs_newer_driver,
    sees_none,
    subjects,
)
from cudadoctor.rules.reading import capabilities, passed, version_of
from cudadoctor.rules.toolkits.choice import fitting_extra
from cudadoctor.tables.reader import numbers

_WORDS = re.compile(r"plugin|initialize backend|not initialize", re.IGNORECASE)
_PLUGIN = re.compile(r"jax-cuda(\d+)-(plugin|pjrt)")


@rule(
    id="jax-plugin-load-failure",
    title="The CUDA plugin of JAX is installed but did not start",
    severity=Severity.ERROR,
    shows={
        "jax-plugin": 9,
        "jax-plugin jax-cpu-build": 2,
        "jax-plugin cudnn-versions": -1,
        "jax-plugin cuda:999": -4,
        "jax-plugin cuda:100": -4,
        "jax-plugin cuda:35": -3,
        "jax-plugin cuda:803": -4,
        "jax-plugin cuda:804": -4,
        "jax-plugin cuda:802": -4,
        "jax-plugin cuda:46": -4,
        "jax-cpu-build": 3,
        "jax-lib-versions": -2,
        "jax-plugin-named segv": 6,
        "jaxlib-without-cuda": -4,
    },
    confirm=Confirm(
        'python -m pip list | grep -iE "^jax|^nvidia"; echo "$LD_LIBRARY_PATH"',
        "a jax-cuda plugin of another version than jaxlib, or CUDA folders in the last line",
    ),
)
def jax_plugin_load_failure(
    packages: Packages,
    frameworks: Frameworks | Missing,
    ladder: Ladder | Missing,
    driver: Driver | Missing,
    nvml: Nvml | Missing,
    pci: Pci | Missing,
    host: Host | Missing,
    environment: Environment | Missing,
) -> Iterator[Finding]:
    """Fire on releases that differ, and on a plugin that is there while JAX sees no GPU."""
    plugins = [package for package in packages.installed if _PLUGIN.fullmatch(package.name)]
    jax = next((subject for subject in subjects(packages, frameworks) if subject.name == "jax"), None)
    found = capabilities(driver, nvml, pci)
    if jax is None or not plugins or jax.works or not found:
        return
    jaxlib = packages.version_of("jaxlib") or ""
    release = numbers(jaxlib)
    other = [plugin for plugin in plugins if release and numbers(plugin.version) != release]
    failed = sees_none(jax) and passed(ladder, "context") and not _told_elsewhere(jax, found, driver, nvml, host)
    chosen = environment.variables.get("JAX_PLATFORMS", "") if isinstance(environment, Environment) else ""
    if chosen and not re.search(r"cuda|gpu", chosen):
        return
    if not failed and (not other or (jax.asked is not None and not sees_none(jax))):
        return
    evidence = (*jax.evidence, *(Evidence(plugin.name, plugin.version, packages.source) for plugin in plugins))
    words = [line for line in (jax.asked.said if jax.asked is not None else ()) if _WORDS.search(line)]
    evidence += tuple(Evidence("jax wrote", line, "standard error") for line in words[-3:])
    told = "JAX sees no GPU" if failed else "JAX will not use its CUDA plugin"
    if other:
        told += f": {other[0].name} {other[0].version} is installed beside jaxlib {jaxlib}"
    elif words:
        told += f", and says: {words[-1][:200]}"
    else:
        told += f", although {plugins[0].name} {plugins[0].version} is installed and the driver works"
    yield finding(
        jax_plugin_load_failure,
        summary=f"{told}.",
        cause="JAX takes a plugin of jaxlib's own release only; with another it goes on with the CPU."
        if other
        else "The plugin could not be loaded or did not start; JAX then goes on with the CPU.",
        confidence="proven" if failed and (words or other) else "supported",
        severity=Severity.ERROR if failed else Severity.WARNING,
        evidence=evidence,
        fix=Fix(
            "Install jax, jaxlib and the plugin of one release, and keep folders of CUDA out of LD_LIBRARY_PATH.",
            install_jax(fitting_extra(driver, nvml, pci)),
        ),
    )


def _told_elsewhere(
    subject: Subject,
    found: tuple[tuple[str, tuple[int, int], Evidence], ...],
    driver: Driver | Missing,
    nvml: Nvml | Missing,
    host: Host | Missing,
) -> bool:
    cuda = version_of(known(driver_cuda(driver, nvml)))
    if needs_newer_driver(known(subject.cuda), cuda):
        return True
    return all(lacks_code(subject, capability, host) is not None for _, capability, _ in found)

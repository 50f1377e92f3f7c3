"""# A file of the fleet cannot be read

## What it checks
Whether a file that was named, or lies in a folder that was named, is damaged, cut off, larger than facts of a node are,
or of a newer cudadoctor.

## Why it matters
A node whose file is broken is missing from the report, and may be the ill one: a node that dies while it writes leaves
such a file.

## How to fix it
Save that node's facts again.

```sh
cudadoctor check --save node.json
```

## Limits
Files that are not cudadoctor's at all, and older reports of a node that is there, are listed and not accused.

## Sources
The error of the system, or of the JSON decoder.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.fleet import Fleet
from cudadoctor.findings import Finding, Fix, Severity, together
from cudadoctor.rules.base import finding, rule
from cudadoctor.text import listed


@rule(
    id="fleet-file-broken",
    title="A file of the fleet cannot be read",
    severity=Severity.WARNING,
)
def fleet_file_broken(fleet: Fleet) -> Iterator[Finding]:
    """Fire once for all files that should have been a node."""
    broken = [item for item in fleet.skipped if item.kind in ("broken", "newer")]
    if not broken:
        return
    yield finding(
        fleet_file_broken,
        summary=f"{len(broken):,} of {fleet.files:,} files {'was' if len(broken) == 1 else 'were'} left out: "
        f"{listed([item.file for item in broken])}. {broken[0].file} {broken[0].reason}.",
        cause="The file was cut off or damaged, is something else, or a newer cudadoctor wrote it.",
        confidence="proven",
        evidence=together((item.file, item.reason, item.kind) for item in broken),
        fix=Fix("Save the facts of that node again, with this version.", ("cudadoctor check --save node.json",)),
    )

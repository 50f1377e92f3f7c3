"""The diagnosis as one JSON document."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.document import encode_json
from cudadoctor.findings import Diagnosis

_ORDER = (
    "schema_version",
    "command",
    "version",
    "status",
    "error",
    "plan",
    "compare",
    "findings",
    "skipped",
    "areas",
    "facts",
)


def render_json(diagnosis: Diagnosis) -> bytes:
    """Return the JSON document, keys in the order of the contract.

    `error`, `plan`, `compare`, `areas` and the `confirm` of a finding are there only where there is one.
    """
    document = msgspec.to_builtins(diagnosis)
    for finding in document["findings"]:
        if finding["confirm"] is None:
            del finding["confirm"]
    for key in ("error", "plan", "compare", "areas"):
        if not document[key]:
            del document[key]
    return encode_json({key: document[key] for key in _ORDER if key in document})

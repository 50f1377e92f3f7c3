"""Whether a text says at all that something went wrong."""

from __future__ import annotations

import re

from cudadoctor.rules.pasted.text import Pasted

_LINES_READ = 4000

_WRONG = re.compile(
    # gnumpy without its laboratory's lock daemon takes board 0, and nothing is wrong.
    r"\b(?:\w*error(?:_\w+|[a-z]+)?|\w+_status_\w+|nv_err_\w+|"
    r"fail(?:ed|ure|s)?(?! to use gpu_lock)|fatal|panic|cannot|can't|could ?n[o']t|unable|unknown|"
    r"invalid|insufficient|mismatch|not (?:found|available|supported|detected|working)|does ?n[o']t work|"
    r"undefined (?:reference|symbol)|"
    r"exception|refused|denied|crash(?:ed|es)?|nvrm: xid)\b"
    # The same in other languages, in which people write around what a program printed.
    r"|报错|错误|失败|无法|不能|找不到|未找到|不可用|エラー|失敗|できません|오류|실패|ошибк|не удал|не найден"
    r"|\bfehler|\berreur|\bno se (?:puede|encuentra)",
    re.IGNORECASE,
)
_COMPLAINS = re.compile(
    r"\b(?:no (?!running processes?|errors?\b|problems?\b|longer required)|without (?!errors?\b|problems?\b)|"
    r"no_?device|"
    r"not(?! active)|nothing|only|instead of|busy|unavailable|missing|lost|wrong|broken|conflicts?|out of memory|"
    r"segfault|"
    r"dump(?:ed|s)|hangs?|hung|stuck|blocked|slow(?:er|s)?|stop(?:s|ped)|dies|abort(?:ed|s)?|reject(?:ed|s)?|"
    r"problems?|retr(?:y|ies|ying)|try again|null pointer|call trace|(?<!build: )false)\b|n't\b|\?",
    re.IGNORECASE,
)
"""What people and programs say of trouble without a word of `_WRONG`."""

_OF_THE_PROGRAM = re.compile(
    r"loading state_dict|(?:missing|unexpected) key\(s\) in state_dict|size mismatch for \S+:|"
    r"shapes? .{0,40}cannot be multiplied|size of tensor .{0,60}must match|"
    r"expected all tensors to be on the same device|input type .{0,60}weight type|"
    r"expected (?:input|scalar type|object of|\d-?d).{0,60} but (?:got|found)|"
    r"could not broadcast|operands could not be|incompatible shapes",
    re.IGNORECASE,
)
"""Errors of a program's own making, on whatever machine it runs."""

_ABOUT_GPUS = re.compile(
    r"cuda|nvidia|gpu|nvml|\+cu1?\d\d\b|ptxas|tensorrt|nccl|cublas|nvenc|optix|cupy|nvrm|cudnn|nvcc|\bcu[A-Z]\w+",
    re.IGNORECASE,
)


def is_calm(pasted: Pasted) -> bool:
    """Say whether no line tells of trouble or complains."""
    return not any(_WRONG.search(line) or _COMPLAINS.search(line) for line in pasted.lines[-_LINES_READ:])


def is_the_programs(pasted: Pasted) -> bool:
    """Say whether a line tells of an error that no machine and no installation makes."""
    return any(_OF_THE_PROGRAM.search(line) for line in pasted.lines[-_LINES_READ:])


def gpu_trouble(pasted: Pasted) -> bool:
    """Say whether the text is about a GPU, a driver or CUDA and tells of trouble or complains."""
    return any(_ABOUT_GPUS.search(line) for line in pasted.lines[-_LINES_READ:]) and not is_calm(pasted)

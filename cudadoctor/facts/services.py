"""Services of the NVIDIA driver on this host: persistence daemon, Multi-Process Service, Fabric Manager."""

from __future__ import annotations

from cudadoctor.facts.base import Fact, Missing, Section


class Services(Section, frozen=True, kw_only=True):
    """What files say of the services; none of them is asked.

    Attributes:
        persistence_daemon: Whether nvidia-persistenced runs.
        mps_control: Whether the control daemon of the Multi-Process Service runs.
        mps_pipe_directory: Where programs look for it (CUDA_MPS_PIPE_DIRECTORY, else /tmp/nvidia-mps).
        fabric_manager: `running`, `enabled but not running`, `installed`, or `not installed`.
        fabric_manager_release: The driver release that its package is for; it works with that one alone.
    """

    persistence_daemon: Fact[bool]
    mps_control: Fact[bool]
    mps_pipe_directory: str
    fabric_manager: Fact[str]
    fabric_manager_release: Fact[str] = Missing("these facts are of a version that did not read it")

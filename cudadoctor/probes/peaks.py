"""What a GPU could do at most, computed from what it says of itself: memory bandwidth and FP32 rate."""

from __future__ import annotations

from cudadoctor.facts.base import Fact, Known, Missing, known
from cudadoctor.facts.devices import Computed, DriverView, Input, NvmlView
from cudadoctor.tables.attributes import fp32_lanes

_MEMORY = "2 x memory clock x bus width / 8 (two transfers a clock: GDDR and HBM as NVML counts their clock)"
_FP32 = "multiprocessors x FP32 lanes x 2 (a multiply-add is two operations) x highest SM clock"
_MIG = "with MIG the driver API shows an instance and NVML the whole GPU: the inputs do not belong together"


def memory_bandwidth(driver: DriverView | None, nvml: NvmlView | None) -> Computed:
    """Return the theoretical bandwidth of the GPU's own memory in GB/s.

    The factor 2 holds for GDDR3 to GDDR7 and HBM to HBM3e, whose clock NVML and the driver API give such that two
    transfers a clock make the published figure (GDDR5X 5005 MHz x 256 bit: 320 GB/s; HBM3 2619 MHz x 5120 bit:
    3352 GB/s). It is not applied to integrated GPUs, whose memory is the host's.
    """
    if _split(nvml):
        return Computed(value=Missing(_MIG), formula=_MEMORY)
    if driver is not None and known(driver.attribute("INTEGRATED")) == 1:
        return Computed(value=Missing("an integrated GPU uses the host's memory"), formula=_MEMORY)
    clock = _first(
        ("memory clock", "MHz", nvml.memory_clock_max_mhz if nvml else None, 1),
        ("memory clock", "MHz", _attribute(driver, "MEMORY_CLOCK_RATE"), 1000),
    )
    width = _first(
        ("memory bus width", "bit", _attribute(driver, "GLOBAL_MEMORY_BUS_WIDTH"), 1),
        ("memory bus width", "bit", nvml.memory_bus_width_bits if nvml else None, 1),
    )
    return _computed(_MEMORY, clock, width, factor=2 / 8 / 1000)


def fp32_peak(driver: DriverView | None, nvml: NvmlView | None) -> Computed:
    """Return the theoretical FP32 rate in TFLOP/s (10^12 a second), without tensor cores."""
    if _split(nvml):
        return Computed(value=Missing(_MIG), formula=_FP32)
    capability = _first_fact(driver.compute_capability if driver else None, nvml.compute_capability if nvml else None)
    if isinstance(capability, Missing):
        return Computed(value=capability, formula=_FP32)
    found = fp32_lanes(str(capability.value))
    if found is None:
        reason = f"the table has no number of FP32 lanes for compute capability {capability.value}"
        return Computed(value=Missing(reason), formula=_FP32)
    lanes = Input("FP32 lanes of a multiprocessor", found.lanes, "lanes", found.source)
    processors = _first(("multiprocessors", "multiprocessors", _attribute(driver, "MULTIPROCESSOR_COUNT"), 1))
    clock = _first(
        ("highest SM clock", "MHz", nvml.sm_clock_max_mhz if nvml else None, 1),
        ("highest SM clock", "MHz", _attribute(driver, "CLOCK_RATE"), 1000),
    )
    return _computed(_FP32, processors, lanes, clock, factor=2 * 1e6 / 1e12)


def _attribute(driver: DriverView | None, name: str) -> Fact[int] | None:
    return driver.attribute(name) if driver is not None else None


def _split(nvml: NvmlView | None) -> bool:
    return nvml is not None and known(nvml.mig_enabled) is True


def _first_fact(*facts: Fact[str] | None) -> Fact[str]:
    for fact in facts:
        if isinstance(fact, Known):
            return fact
    return next((fact for fact in facts if fact is not None), Missing("neither NVML nor the driver API was asked"))


def _first(*candidates: tuple[str, str, Fact[int] | None, int]) -> Input | Missing:
    """Return the first number that is there and is not 0, divided as its unit asks."""
    reasons = []
    for name, unit, fact, divisor in candidates:
        if isinstance(fact, Known) and fact.value > 0:
            return Input(name, fact.value / divisor, unit, fact.source)
        reasons.append(f"the {name} is not known: {fact.reason if isinstance(fact, Missing) else 'it was not told'}")
    return Missing(reasons[0])


def _computed(formula: str, *inputs: Input | Missing, factor: float) -> Computed:
    value = factor
    for item in inputs:
        if isinstance(item, Missing):
            there = tuple(each for each in inputs if isinstance(each, Input))
            return Computed(value=item, formula=formula, inputs=there)
        value *= item.value
    told = tuple(each for each in inputs if isinstance(each, Input))
    return Computed(value=Known(round(value, 3), formula), formula=formula, inputs=told)

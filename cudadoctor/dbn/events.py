"""What a race is asked for, and what it tells while it runs."""

from __future__ import annotations

import msgspec

from cudadoctor.dbn.contenders import DEFAULT_LANES, LANE_KINDS
from cudadoctor.dbn.network import Network
from cudadoctor.facts.base import Missing
from cudadoctor.facts.race import Epoch, Lane, PretrainedEpoch, Race, SkippedLane


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """A race. The digits are always the same ones; the seed draws the weights and the minibatches.

    `mnist` is the folder of MNIST's files, to race on them and not on the procedural digits. Each layer of weights is
    pretrained for `pretrain_epochs` at `pretrain_rate`; 0 for none.
    `silence_limit_s` is how long the race may go without any sign of progress before it is taken for hung. With
    `stand_ins` a lane that cannot take the network or the card is followed by the next best. `explain` adds the ladder,
    each rung sampled in `rounds`; the GPU's clocks are read beside it at `pci_address`.
    """

    network: Network = Network()
    epochs: int = 10
    seed: int = 0
    lanes: tuple[str, ...] = DEFAULT_LANES
    device: int = 0
    training_samples: int = 46_900
    test_samples: int = 23_100
    mnist: str | None = None
    pretrain_epochs: int = 0
    pretrain_rate: float = 0.001
    silence_limit_s: float = 30.0
    stand_ins: bool = True
    explain: bool = False
    rounds: int = 7
    pci_address: str | None = None

    def __post_init__(self) -> None:
        layers = self.network.layers
        if layers[0] != 784 or layers[-1] != 10:
            raise ValueError(f"the digits need 784 inputs and 10 outputs, not {layers[0]} and {layers[-1]}")
        if self.epochs < 1:
            raise ValueError(f"a race needs at least one epoch, not {self.epochs}")
        if self.pretrain_epochs < 0 or not 0 < self.pretrain_rate < float("inf"):
            raise ValueError("pretraining takes 0 epochs or more at a learning rate above 0")
        if self.rounds < 3:
            raise ValueError(f"an interval needs at least three rounds, not {self.rounds}")
        if self.seed < 0:
            raise ValueError(f"a seed is 0 or more, not {self.seed}")
        if self.training_samples < self.network.batch_size or self.test_samples < 0:
            raise ValueError(f"a minibatch of {self.network.batch_size} needs at least as many training samples")
        if not self.lanes or set(self.lanes) - set(LANE_KINDS):
            raise ValueError(f"lanes are {', '.join(LANE_KINDS)}; not {', '.join(self.lanes) or 'none'}")
        if len(set(self.lanes)) < len(self.lanes):
            raise ValueError(f"each lane runs once; {', '.join(self.lanes)} names one twice")


class EpochPretrained(msgspec.Struct, frozen=True, kw_only=True):
    """A contender finished an epoch of pretraining."""

    name: str
    epoch: PretrainedEpoch


class DataReady(msgspec.Struct, frozen=True, kw_only=True):
    """The digits are there; `seconds` includes compiling or loading their renderer."""

    data: str
    training_samples: int
    test_samples: int
    minibatches_per_epoch: int
    seconds: float


class LaneStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A contender begins to prepare."""

    name: str
    device: str


class LaneReady(msgspec.Struct, frozen=True, kw_only=True):
    """A contender has compiled or loaded its kernels; its first epoch begins."""

    name: str
    device_name: str
    compile_seconds: float
    notes: tuple[str, ...]


class EpochDone(msgspec.Struct, frozen=True, kw_only=True):
    """A contender finished an epoch."""

    name: str
    epoch: Epoch


class LaneDone(msgspec.Struct, frozen=True, kw_only=True):
    """A contender is through: finished, failed or interrupted."""

    lane: Lane


class LaneSkipped(msgspec.Struct, frozen=True, kw_only=True):
    """A contender does not run."""

    skipped: SkippedLane


class RungSampled(msgspec.Struct, frozen=True, kw_only=True):
    """A rung of the ladder was sampled; `us` is microseconds a minibatch."""

    rung: str
    us: float


Event = (
    DataReady
    | LaneStarted
    | LaneReady
    | EpochPretrained
    | EpochDone
    | LaneDone
    | LaneSkipped
    | RungSampled
    | Race
    | Missing
)

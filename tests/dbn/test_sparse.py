from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from cudadoctor.dbn import gate as gates
from cudadoctor.dbn import reference, sparse
from cudadoctor.dbn.ink import count_pixels, list_pixels
from cudadoctor.dbn.network import Layer, Network, first_weights, minibatches
from cudadoctor.dbn.sparse import SparseTrainer, best_width, why_not

SAMPLES = 40


def ink(inputs: int, share: float) -> tuple[Any, Any]:
    generator = np.random.default_rng(6)
    pixels = generator.integers(1, 256, (SAMPLES, inputs), dtype=np.uint8)
    pixels *= generator.random(pixels.shape) < share
    return pixels, generator.integers(0, 5, SAMPLES, dtype=np.uint8)


def trainer_of(network: Network, share: float = 0.2) -> SparseTrainer:
    layers = first_weights(network, 3)
    return SparseTrainer(network, layers, reference.zero_velocities(layers), *ink(network.layers[0], share))


@pytest.mark.parametrize("share", [0.0, 0.03, 0.2, 1.0])
@pytest.mark.parametrize(
    ("layers", "threads"), [((30, 17, 5), (1,)), ((30, 70, 5), (2, 1)), ((7, 1, 5), (2,)), ((30, 70, 20), (3, 1))]
)
def test_it_follows_the_reference_on_any_number_of_threads(
    layers: tuple[int, ...], threads: tuple[int, ...], share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pixels that few images have are caught up after many steps; widths change with the number of threads."""
    monkeypatch.setattr(sparse, "most_workers", lambda: 3)
    monkeypatch.setattr(sparse, "_WIDTHS", (5, 2))
    network = Network(layers=layers, batch_size=3, weight_scale=0.3, l2=1e-3, learn_rate=0.05)
    pixels, labels = ink(layers[0], share)
    trainer = trainer_of(network, share)
    expected = [Layer(w.astype(np.float64), b.astype(np.float64)) for w, b in first_weights(network, 3)]
    velocities = reference.zero_velocities(expected)
    for epoch, rows in zip(range(1, 7), minibatches(network, SAMPLES, 3), strict=False):
        loss, mistakes = 0.0, 0
        for minibatch in rows:
            x = reference.scaled(pixels[minibatch], "float64")
            t = reference.one_hot(labels[minibatch], network.classes, "float64")
            more = reference.step(network, expected, velocities, x, t, network.rate(epoch))
            loss, mistakes = loss + more[0], mistakes + more[1]
        got = trainer.train(rows, network.rate(epoch), threads[epoch % len(threads)], lambda: None)
        assert got[0] / rows.size == pytest.approx(loss / rows.size, abs=1e-5)
        assert got[1] == mistakes
    ahead, velocity = trainer.state()
    for a, v, layer, speed in zip(ahead, velocity, expected, velocities, strict=True):
        for got_a, got_v, w, vw in zip(a, v, layer, speed, strict=True):
            np.testing.assert_allclose(got_v, vw, rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(got_a - np.float32(0.9) * got_v, w, rtol=1e-4, atol=1e-5)


def test_the_lists_hold_every_pixel_that_is_not_0_in_order() -> None:
    images = np.array([[0, 7, 0], [0, 0, 0], [1, 0, 255], [0, 0, 9]], np.uint8)
    first, index, shade = np.zeros(5, np.int64), np.zeros(5, np.uint16), np.zeros(5, np.uint8)
    count_pixels(images, first)
    list_pixels(images, index, shade)
    assert first.tolist() == [0, 1, 1, 3, 4]
    assert index[:4].tolist() == [1, 0, 2, 2]
    assert shade[:4].tolist() == [7, 1, 255, 9]


def test_preparing_for_other_numbers_of_threads_changes_no_weight() -> None:
    network = Network(layers=(30, 100, 5), batch_size=3)
    trainer = trainer_of(network)
    before, _ = trainer.state()
    for threads in (1, 4, 16):
        trainer.arrange(threads)
        after, _ = trainer.state()
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one.weights, other.weights)
            np.testing.assert_array_equal(one.biases, other.biases)


def test_strips_suit_the_number_of_workers() -> None:
    """300 units: 4 strips of 80 for one worker or two; for 16 workers 10 strips of 32, not 4 wide ones."""
    assert [best_width(300, workers) * 16 for workers in (1, 2, 4, 8, 16)] == [80, 80, 80, 48, 32]
    assert best_width(3, 1) == 2


def test_a_worker_that_cannot_start_fails_the_run_and_leaves_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others wait at the gate for it; they must be sent home, or the run would never end."""
    monkeypatch.setattr(sparse, "most_workers", lambda: 3)
    network = Network(layers=(30, 96, 5), batch_size=3)
    trainer = trainer_of(network)
    before, _ = trainer.state()

    class OneThread(ThreadPoolExecutor):
        asked = 0

        def submit(self, *arguments: Any, **named: Any) -> Any:
            OneThread.asked += 1
            if OneThread.asked == 2:
                raise RuntimeError("can't start new thread")
            return super().submit(*arguments, **named)

    monkeypatch.setattr(sparse, "ThreadPoolExecutor", OneThread)
    rows = next(minibatches(network, SAMPLES, 0))
    with pytest.raises(RuntimeError, match="new thread"):
        trainer.train(rows, 0.3, 3, lambda: None)
    after, _ = trainer.state()
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)


@pytest.mark.parametrize(
    ("layers", "reason"),
    [((784, 10), "one hidden layer"), ((784, 9, 9, 10), "one hidden"), ((70_000, 9, 10), "16 bits")],
)
def test_other_networks_are_refused_with_a_reason(layers: tuple[int, ...], reason: str) -> None:
    assert reason in (why_not(Network(layers=layers)) or "")
    assert why_not(Network()) is None


def test_nobody_passes_the_gate_before_all_have_come() -> None:
    gate, passed = gates.new_gate(), []
    waiting = threading.Thread(target=lambda: passed.append(gates.wait(gate, 2)))
    gates.wait(gates.new_gate(), 1)  # compiled
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    assert gates.wait(gate, 2)
    waiting.join(5)
    assert passed == [True]


def test_a_stopped_gate_turns_those_away_who_wait_but_lets_the_complete_pass() -> None:
    gate = gates.new_gate()
    gates.stop(gate)
    assert not gates.wait(gate, 2)
    assert gates.wait(gate, 2)

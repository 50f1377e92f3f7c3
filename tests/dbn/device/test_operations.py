from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cudadoctor.dbn.ops import (
    affine,
    bias_gradient,
    fused_forward,
    fused_output,
    fused_update,
    gather,
    grid,
    hidden_delta,
    nesterov,
    output_delta,
    relu,
    sigmoid,
    sigmoid_delta,
    softmax,
    weight_gradient,
)
from cudadoctor.dbn.ops.device import cuda

T, B, R = grid.TILE, grid.BLOCK, grid.ROWS_BLOCK

# One of each, a full tile, one past a tile with a short end, and sizes that share nothing.
MATRICES = [(1, 1, 1), (T, T, T), (T + 1, 2 * T + 1, T - 1), (5, 2 * T, 7)]
SIZES = [1, B, B + 1]
NEAR = {"rtol": 1e-5, "atol": 1e-6}


def numbers(*shape: int) -> Any:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def labels(count: int, classes: int) -> Any:
    return np.random.default_rng(count).integers(0, classes, count).astype(np.uint8)


def empty(*shape: int) -> Any:
    """Return device memory that no correct result leaves as it is."""
    return cuda.to_device(np.full(shape, np.nan, np.float32))


@pytest.mark.parametrize(("m", "inputs", "outputs"), MATRICES)
def test_affine(m: int, inputs: int, outputs: int) -> None:
    x, weights, biases, out = numbers(m, inputs), numbers(inputs, outputs), numbers(outputs), empty(m, outputs)
    affine.launch(cuda.to_device(x), cuda.to_device(weights), cuda.to_device(biases), out)
    np.testing.assert_allclose(out.copy_to_host(), affine.reference(x, weights, biases), **NEAR)


@pytest.mark.parametrize(("m", "outputs", "units"), MATRICES)
def test_hidden_delta(m: int, outputs: int, units: int) -> None:
    d, weights, out = numbers(m, outputs), numbers(units, outputs), empty(m, units)
    h = np.maximum(numbers(m, units), np.float32(0))
    hidden_delta.launch(cuda.to_device(d), cuda.to_device(weights), cuda.to_device(h), out)
    np.testing.assert_allclose(out.copy_to_host(), hidden_delta.reference(d, weights, h), **NEAR)


@pytest.mark.parametrize(("m", "outputs", "units"), MATRICES)
def test_sigmoid_delta(m: int, outputs: int, units: int) -> None:
    d, weights, out = numbers(m, outputs), numbers(units, outputs), empty(m, units)
    h = sigmoid.reference(numbers(m, units))
    sigmoid_delta.launch(cuda.to_device(d), cuda.to_device(weights), cuda.to_device(h), out)
    np.testing.assert_allclose(out.copy_to_host(), sigmoid_delta.reference(d, weights, h), **NEAR)


@pytest.mark.parametrize(("inputs", "m", "outputs"), MATRICES)
def test_weight_gradient(inputs: int, m: int, outputs: int) -> None:
    x, d, out = numbers(m, inputs), numbers(m, outputs), empty(inputs, outputs)
    weight_gradient.launch(cuda.to_device(x), cuda.to_device(d), out)
    np.testing.assert_allclose(out.copy_to_host(), weight_gradient.reference(x, d), **NEAR)


@pytest.mark.parametrize("block", [1, B])
@pytest.mark.parametrize("outputs", SIZES)
def test_bias_gradient(outputs: int, block: int) -> None:
    d, out = numbers(5, outputs), empty(outputs)
    bias_gradient.launch(cuda.to_device(d), out, block=block)
    np.testing.assert_allclose(out.copy_to_host(), bias_gradient.reference(d), **NEAR)


@pytest.mark.parametrize("size", SIZES)
def test_relu(size: int) -> None:
    n = numbers(size)
    h = cuda.to_device(n)
    relu.launch(h)
    np.testing.assert_array_equal(h.copy_to_host(), relu.reference(n))


@pytest.mark.parametrize("size", SIZES)
def test_sigmoid(size: int) -> None:
    n = numbers(size)
    h = cuda.to_device(n)
    sigmoid.launch(h)
    np.testing.assert_allclose(h.copy_to_host(), sigmoid.reference(n), **NEAR)


def test_a_sigmoid_of_numbers_whose_exponential_does_not_fit_is_0_or_1() -> None:
    h = cuda.to_device(np.array([-1000, 0, 1000], np.float32))
    sigmoid.launch(h)
    np.testing.assert_array_equal(h.copy_to_host(), np.array([0, 0.5, 1], np.float32))


@pytest.mark.parametrize(("m", "inputs"), [(1, 1), (3, B), (2, B + 1)])
def test_gather_takes_the_rows_of_its_minibatch(m: int, inputs: int) -> None:
    generator = np.random.default_rng(m)
    pixels = generator.integers(0, 256, (9, inputs), dtype=np.uint8)
    classes = labels(9, 10)
    rows = generator.integers(0, 9, (2, m), dtype=np.uint32)
    x, t = empty(m, inputs), cuda.to_device(np.full(m, 255, np.uint8))
    gather.launch(cuda.to_device(pixels), cuda.to_device(classes), cuda.to_device(rows), 1, x, t)
    expected_x, expected_t = gather.reference(pixels, classes, rows, 1)
    np.testing.assert_array_equal(x.copy_to_host(), expected_x)
    np.testing.assert_array_equal(t.copy_to_host(), expected_t)


@pytest.mark.parametrize(("m", "classes"), [(1, 1), (R, 10), (2 * R + 1, 3)])
def test_softmax_and_its_totals(m: int, classes: int) -> None:
    z, t = 3 * numbers(m, classes), labels(m, classes)
    p, totals = cuda.to_device(z), empty(3, 2)
    softmax.launch(p, cuda.to_device(t), 1, totals)
    expected, loss, mistakes = softmax.reference(z, t)
    np.testing.assert_allclose(p.copy_to_host(), expected, **NEAR)
    np.testing.assert_allclose(totals.copy_to_host()[1], [loss, mistakes], **NEAR)
    assert np.isnan(totals.copy_to_host()[[0, 2]]).all()


def test_softmax_survives_outputs_whose_exponential_does_not_fit() -> None:
    p, totals = cuda.to_device(np.array([[1e4, 0.0], [-1e4, 0.0]], np.float32)), empty(1, 2)
    softmax.launch(p, cuda.to_device(np.array([0, 0], np.uint8)), 0, totals)
    np.testing.assert_array_equal(p.copy_to_host(), [[1, 0], [0, 1]])
    np.testing.assert_array_equal(totals.copy_to_host(), [[1e4, 1]])


@pytest.mark.parametrize(("m", "classes"), [(1, 1), (3, 10), (B + 1, 2)])
def test_output_delta(m: int, classes: int) -> None:
    p, t = numbers(m, classes), labels(m, classes)
    d = cuda.to_device(p)
    output_delta.launch(d, cuda.to_device(t))
    np.testing.assert_array_equal(d.copy_to_host(), output_delta.reference(p, t))


@pytest.mark.parametrize("size", SIZES)
def test_nesterov(size: int) -> None:
    a, v, g = numbers(size), numbers(size, 1)[:, 0].copy(), numbers(size, 2)[:, 0].copy()
    scalars = np.float32(0.9), np.float32(0.3 / 64), np.float32(0.3e-4)
    ahead, velocity = cuda.to_device(a), cuda.to_device(v)
    nesterov.launch(ahead, velocity, cuda.to_device(g), *scalars)
    expected_a, expected_v = nesterov.reference(a, v, g, *scalars)
    np.testing.assert_allclose(ahead.copy_to_host(), expected_a, **NEAR)
    np.testing.assert_allclose(velocity.copy_to_host(), expected_v, **NEAR)


def source(samples: int, inputs: int, m: int, pixels: bool) -> tuple[Any, Any, Any]:
    """Return inputs as pixels or units, the rows of two minibatches, and the scale."""
    generator = np.random.default_rng(samples)
    rows = generator.integers(0, samples, (2, m), dtype=np.uint32)
    if pixels:
        return generator.integers(0, 256, (samples, inputs), dtype=np.uint8), rows, np.float32(1 / 255)
    return numbers(samples, inputs), rows, np.float32(1)


@pytest.mark.parametrize("pixels", [True, False])
@pytest.mark.parametrize(("m", "inputs", "outputs"), MATRICES)
def test_fused_forward(m: int, inputs: int, outputs: int, pixels: bool) -> None:
    x, rows, scale = source(9, inputs, m, pixels)
    weights, biases, out = numbers(inputs, outputs), numbers(outputs), empty(m, outputs)
    device = [cuda.to_device(a) for a in (x, rows, weights, biases)]
    fused_forward.launch(device[0], device[1], 1, scale, device[2], device[3], out)
    expected = fused_forward.reference(x, rows, 1, scale, weights, biases)
    np.testing.assert_allclose(out.copy_to_host(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("m", "units", "classes"), [(1, 1, 1), (3, 2 * B + 1, 3), (5, 7, min(B, 10)), (2, 3, B)])
def test_fused_output(m: int, units: int, classes: int) -> None:
    h, weights, biases = numbers(m, units), numbers(units, classes), numbers(classes)
    t = labels(9, classes)
    rows = np.random.default_rng(m).integers(0, 9, (2, m), dtype=np.uint32)
    d, totals = empty(m, classes), empty(2, m, 2)
    arrays = [cuda.to_device(a) for a in (h, weights, biases, t, rows)]
    fused_output.launch(*arrays, 1, d, totals)
    expected, loss, mistakes = fused_output.reference(h, weights, biases, t[rows[1]])
    np.testing.assert_allclose(d.copy_to_host(), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(totals.copy_to_host()[1, :, 0], loss, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(totals.copy_to_host()[1, :, 1], mistakes)
    assert np.isnan(totals.copy_to_host()[0]).all()


@pytest.mark.parametrize("pixels", [True, False])
@pytest.mark.parametrize(("inputs", "m", "outputs"), MATRICES)
def test_fused_update(inputs: int, m: int, outputs: int, pixels: bool) -> None:
    x, rows, scale = source(9, inputs, m, pixels)
    d = numbers(m, outputs)
    state = [
        numbers(inputs, outputs),
        numbers(inputs, outputs)[::-1].copy(),
        numbers(outputs),
        numbers(outputs, 2)[:, 1].copy(),
    ]
    constants = np.array([0.9, 0.3 / 64, 0.3e-4], np.float32)
    device = [cuda.to_device(a) for a in state]
    fused_update.launch(
        cuda.to_device(x), cuda.to_device(rows), 1, scale, cuda.to_device(d), *device, cuda.to_device(constants)
    )
    for got, expected in zip(device, fused_update.reference(x, rows, 1, scale, d, *state, constants), strict=True):
        np.testing.assert_allclose(got.copy_to_host(), expected, rtol=1e-4, atol=1e-6)

"""The layers that JAX computes in its own way on a processor, against Flax's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from d2l_lite.devices import jax_cpu
from d2l_lite.devices import jax_mesh as engine

NHWC = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}


@pytest.fixture(autouse=True)
def float64():
    with jax.experimental.enable_x64():
        yield


def normal(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


def both(fast, plain, *arguments):
    """Values and gradients of two functions, along a direction that has no symmetry."""
    found, expected = (jax.vjp(f, *arguments) for f in (fast, plain))
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12, atol=1e-12)
    direction = jnp.asarray(normal(*expected[0].shape))
    for one, other in zip(found[1](direction), expected[1](direction), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [(8, 8), (5, 6), (2, 2), (1, 2), (1, 1)], ids=str)
@pytest.mark.parametrize(
    "channels, maps, width", [(6, 4, 3), (6, 4, 1), (4, 6, 3), (1, 6, 3), (6, 4, 5)]
)
def test_convolution(size, channels, maps, width):
    options = ((1, 1), [(width // 2, width // 2)] * 2)
    both(
        lambda X, kernel: jax_cpu.convolution(X, kernel, *options, **NHWC),
        lambda X, kernel: lax.conv_general_dilated(X, kernel, *options, **NHWC),
        normal(3, *size, channels),
        normal(width, width, channels, maps),
    )


@pytest.mark.parametrize("size", [(8, 8), (6, 10), (7, 8)], ids=str)
def test_stem(size):
    options = ((2, 2), [(3, 3), (3, 3)])
    both(
        lambda X, kernel: jax_cpu.convolution(X, kernel, *options, **NHWC),
        lambda X, kernel: lax.conv_general_dilated(X, kernel, *options, **NHWC),
        normal(2, *size, 3),
        normal(7, 7, 3, 5),
    )


@pytest.mark.parametrize("size", [(8, 8), (2, 4), (7, 8)], ids=str)
def test_max_pool_of_many_equal_pixels(size):
    X = np.random.default_rng(0).integers(-2, 2, (3, *size, 5)).astype(float)
    both(jax_cpu.max_pool, lambda X: nnx.max_pool(X, **jax_cpu.POOL), jnp.asarray(X))


def test_batch_norm():
    plain = nnx.BatchNorm(5, use_fast_variance=False, rngs=nnx.Rngs(0))
    plain.scale.value, plain.bias.value = jnp.asarray(normal(2, 5))
    plain.mean.value, plain.var.value = jnp.asarray(normal(2, 5) ** 2)
    fast = nnx.clone(plain)
    jax_cpu.speed_up(fast)
    assert type(fast) is jax_cpu.BatchNorm
    assert type(plain) is nnx.BatchNorm

    def of(norm):
        def outputs(X, scale, bias):
            layer = nnx.clone(norm)
            layer.scale.value, layer.bias.value = scale, bias
            return layer(X)

        return outputs

    X = jnp.asarray(normal(6, 3, 4, 5))
    both(of(fast), of(plain), X, plain.scale.value, plain.bias.value)
    fast(X), plain(X)
    for name in ("mean", "var"):
        found, expected = (getattr(norm, name).value for norm in (fast, plain))
        np.testing.assert_allclose(found, expected, rtol=1e-13)
    fast.eval(), plain.eval()
    np.testing.assert_allclose(fast(X), plain(X), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "given, kept", [(None, True), ("", False), ("/elsewhere", False)]
)
def test_programs_are_kept_unless_told_where(given, kept, tmp_path, monkeypatch):
    monkeypatch.setenv("D2L_LITE_CACHE", str(tmp_path / "cache"))
    name = "jax_compilation_cache_dir"
    before = getattr(jax.config, name)
    try:
        jax.config.update(name, given)
        engine.keep_programs()
        folder = tmp_path / "cache" / "jax"
        assert getattr(jax.config, name) == (str(folder) if kept else given)
        assert folder.exists() == kept
    finally:
        jax.config.update(name, before)


def test_where_nothing_can_be_kept_nothing_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("D2L_LITE_CACHE", str(tmp_path / "file" / "cache"))
    before = jax.config.jax_compilation_cache_dir
    try:
        jax.config.update("jax_compilation_cache_dir", None)
        engine.keep_programs()
        assert jax.config.jax_compilation_cache_dir is None
    finally:
        jax.config.update("jax_compilation_cache_dir", before)

"""JAX on several devices: a mesh, the parts of a batch, mixed precision."""

import contextlib
import os
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from d2l_lite import DataError
from d2l_lite.checks import check_parts
from d2l_lite.data.download import cache_folder

FLAG = "--xla_force_host_platform_device_count"
AXIS = "batch"
WHOLE, PART = PartitionSpec(), PartitionSpec(AXIS)
# Flax's layers that compute in the type of their argument `dtype`.
LAYERS = (nnx.BatchNorm, nnx.Conv, nnx.Linear)


def provide(count: int) -> None:
    """Have XLA take a processor for `count` devices; accelerators it leaves alone.

    To be called before `d2l_lite.jax` is imported, whose networks make JAX's first
    array. What `XLA_FLAGS` says of devices already stays. If
    `JAX_COORDINATOR_ADDRESS` is set, it joins the processes that train together:
    `JAX_NUM_PROCESSES` says how many, `JAX_PROCESS_ID` which one from 0 this is; under
    Slurm and Open MPI JAX finds both itself. See chapter `many_devices`.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if count > 1 and FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {FLAG}={count}".strip()
    if _alone():
        names = {"num_processes": "JAX_NUM_PROCESSES", "process_id": "JAX_PROCESS_ID"}
        found = {key: int(os.environ[n]) for key, n in names.items() if n in os.environ}
        jax.distributed.initialize(**found)


def _alone() -> bool:
    """Whether there are other processes, and this one has not joined them."""
    joined = jax.distributed.is_initialized()
    return "JAX_COORDINATOR_ADDRESS" in os.environ and not joined


def keep_programs() -> None:
    """Have JAX keep what took over a second to compile, for the next start of Python.

    In the cache folder, unless JAX was told where (`JAX_COMPILATION_CACHE_DIR`, which
    is empty for nowhere). Another version, processor or `XLA_FLAGS` has its own. See
    chapter `how_fast`.
    """
    if jax.config.jax_compilation_cache_dir is None:
        # Where nothing can be written, each start compiles, as it does without.
        with contextlib.suppress(DataError, OSError):
            folder = cache_folder() / "jax"
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                jax.config.update("jax_compilation_cache_dir", str(folder))


def check(precision: str, compile: bool) -> None:
    """Raise `ValueError` for what a `Trainer` does not do in JAX."""
    if _alone():
        raise ValueError(
            "JAX_COORDINATOR_ADDRESS names other processes, which JAX joins only "
            'before its first array: call d2l_lite.devices.provide("jax", 1) before '
            "d2l_lite.jax is imported"
        )
    if precision == "float16":
        raise ValueError(
            "Trainer(precision='float16'): in JAX no loss is scaled, and small "
            "gradients would vanish; choose bfloat16 or float32"
        )
    if compile:
        raise ValueError(
            "Trainer(compile=True): JAX compiles every step anyway; leave it out"
        )


def computing(model: nnx.Module, precision: str) -> nnx.GraphDef:
    """The definition of a model that computes in a precision, in its own variables.

    In "bfloat16" each layer casts weights, and what it reads, as it computes; batch
    statistics Flax takes in float32 all the same.
    """
    if precision != "float32":
        model = nnx.clone(model)
        for _, layer in nnx.iter_graph(model):
            if isinstance(layer, LAYERS):
                layer.dtype = jnp.dtype(precision)
    return nnx.graphdef(model)


def everywhere(mesh: Mesh) -> NamedSharding:
    """What lies whole on each device of a mesh."""
    return NamedSharding(mesh, WHOLE)


class Team:
    """The devices that share each batch: the first ones of every process.

    Args:
        count: of each process.

    Attributes:
        mesh: all of them; None if it is one.

    Raises:
        ValueError: there are fewer.
    """

    def __init__(self, count: int) -> None:
        own = jax.local_devices()
        if count > len(own):
            found = f"JAX has {len(own)} here ({own[0].platform})"
            if own[0].platform == "cpu":
                found += (
                    f"; with XLA_FLAGS={FLAG}={count} a processor counts as {count}"
                )
            raise ValueError(f"Trainer(devices={count}): {found}")
        processes = range(jax.process_count())
        chosen = [one for p in processes for one in jax.local_devices(p)[:count]]
        self.mesh = Mesh(np.array(chosen), (AXIS,)) if len(chosen) > 1 else None
        # What `_local` gave out, by its identity, as it lies on all devices.
        self.held: dict[int, tuple[jax.Array, jax.Array]] = {}

    def split(self, array: np.ndarray) -> jax.Array:
        """What all processes have of a batch, in equal parts, one on each device."""
        check_parts(len(array), self.mesh.size, "Trainer.fit")
        parts = NamedSharding(self.mesh, PART)
        return jax.make_array_from_callback(array.shape, parts, array.__getitem__)

    def over(self, train: Callable) -> Callable:
        """A step on all devices, of a model that lies on this process's first one.

        `train(parameters, statistics, velocity, ...)` returns these three, and more.
        """

        def shared(parameters, statistics, velocity, *batch):
            before = jax.tree.map(self._replica, (parameters, statistics, velocity))
            parameters, statistics, *rest = train(*before, *batch)
            self.held.clear()
            return *jax.tree.map(self._local, (parameters, statistics)), *rest

        return shared

    def _replica(self, array: jax.Array) -> jax.Array:
        """An array on all devices; nothing is copied if it was there already."""
        _, replica = self.held.get(id(array), (None, array))
        whole = everywhere(self.mesh)
        if replica.sharding == whole:
            return replica
        copies = [jax.device_put(array, one) for one in self.mesh.local_devices]
        return jax.make_array_from_single_device_arrays(array.shape, whole, copies)

    def _local(self, replica: jax.Array) -> jax.Array:
        array = replica.addressable_data(0)
        self.held[id(array)] = array, replica
        return array


def averaged(mesh: Mesh, differentiate: Callable) -> Callable:
    """Have each device differentiate its part's mean loss, then take means over all.

    `differentiate(definition, parameters, statistics, X, y)` returns ((loss, (right
    predictions, statistics)), gradients). Right predictions are summed; of running
    statistics the mean over devices is kept.
    """

    def of_part(definition, parameters, statistics, X, y):
        own = jax.tree.map(_own_key, statistics)
        (loss, (correct, new)), gradients = differentiate(
            definition, parameters, own, X, y
        )
        loss, gradients = jax.lax.pmean((loss, gradients), AXIS)
        new = jax.tree.map(_common, statistics, new)
        return (loss, (jax.lax.psum(correct, AXIS), new)), gradients

    def of_batch(definition, *arrays):
        return jax.shard_map(
            partial(of_part, definition),
            mesh=mesh,
            in_specs=(WHOLE, WHOLE, PART, PART),
            out_specs=WHOLE,
            # Else JAX itself adds up the gradients of what lies on all devices.
            check_vma=False,
        )(*arrays)

    return of_batch


def _own_key(array: jax.Array) -> jax.Array:
    """A key of dropout as this device has it; other arrays as they are."""
    return jax.random.fold_in(array, jax.lax.axis_index(AXIS)) if _key(array) else array


def _common(before: jax.Array, after: jax.Array) -> jax.Array:
    """What all devices keep: the mean of running statistics, and the common key."""
    if _key(before):
        return before
    if not jnp.issubdtype(after.dtype, jnp.floating):
        return after
    # A mean of changes, which rounds nothing of what is frozen.
    return before + jax.lax.pmean(after - before, AXIS)


def _key(array: jax.Array) -> bool:
    return jnp.issubdtype(array.dtype, jax.dtypes.prng_key)

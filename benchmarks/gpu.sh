#!/usr/bin/env bash
# What only a GPU can show, in at most nine minutes: benchmarks/gpu.sh
#
# Four parts, each up to a second after the start at which it is stopped: the tests of
# tests/gpu without the notebooks, memory against depth, throughput, and a training. The
# records go to where the chapters read them, the training into _build/gpu; with OUT=DIR
# all of it into DIR. PYTHON=… is the interpreter; nothing is fetched.
#
# D2L_DRY_RUN=1 lets the processor stand in, on little work, and writes into _build/gpu
# or DIR. FRAMEWORKS="pytorch jax" chooses.
set -u
cd "$(dirname "$0")/.." || exit
if [ -z "${PYTHON:-}" ]; then
  PYTHON=python3
  [ -x .venv/bin/python ] && PYTHON=.venv/bin/python
fi
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1 D2L_LITE_PROGRESS=plain TF_CPP_MIN_LOG_LEVEL=3
# Several processes use the GPU at a time: each takes memory as it needs it.
export TF_FORCE_GPU_ALLOW_GROWTH=true XLA_PYTHON_CLIENT_PREALLOCATE=false

results=${OUT:-_build/gpu} records=${OUT:-chapters/files}
depths="100 40 70" size=full epochs=10 allowed=1
if [ -n "${D2L_DRY_RUN:-}" ]; then
  records=$results depths=22 size=quick epochs=1 allowed=10
elif ! nvidia-smi -L 2>/dev/null; then
  echo "no GPU here; D2L_DRY_RUN=1 lets the processor stand in"
  exit 1
fi
mkdir -p "$results"

failed=""
# before SECOND NAME COMMAND…: a part, which SECOND after the start ends at the latest.
before() {
  local left=$(($1 * allowed - SECONDS)) name=$2
  shift 2
  if [ "$left" -lt 1 ] || ! timeout --kill-after=5 "$left" "$@"; then
    echo "FAILED, or out of time: $name"
    return 1
  fi
}

found=()
for framework in ${FRAMEWORKS:-pytorch tensorflow jax}; do
  check="import os, d2l_lite.$framework as d2l
assert d2l.backend.accelerator() or os.environ.get('D2L_DRY_RUN')"
  if "$PYTHON" -c "$check" 2>/dev/null; then
    found+=("$framework")
  else
    echo "$framework is not installed here, or without a GPU: left out"
  fi
done
if [ ${#found[@]} -eq 0 ]; then
  exit 1
fi

echo "== tests"
started=()
for framework in "${found[@]}"; do
  before 170 "tests of $framework" "$PYTHON" -m pytest -q tests/gpu \
    -k "$framework and not notebooks and not recomputation" &
  started+=($!)
done
for process in "${started[@]}"; do
  wait "$process" || failed="$failed tests"
done

echo "== memory"
for framework in "${found[@]}"; do
  # shellcheck disable=SC2086 # several depths are several words
  before 320 "memory in $framework" "$PYTHON" benchmarks/memory.py "$framework" $depths \
    --output "$records/memory/peak-gpu.csv" || failed="$failed memory"
done

echo "== throughput"
before 460 throughput "$PYTHON" -m benchmarks gpu --output "$records/how_fast" ||
  failed="$failed throughput"

echo "== training"
full="from d2l_lite.data.fashion_mnist import FashionMNIST; FashionMNIST(scale='full')"
if [ "$size" = full ] && ! timeout 20 "$PYTHON" -c "$full" 2>/dev/null; then
  echo "the full data set is not here: 4,000 images"
  size=quick
fi
training=$results/training-$(date +%Y%m%d-%H%M%S)
before 530 training "$PYTHON" -m d2l_lite train --framework "${found[0]}" \
  --network densenet --dataset fashion-mnist --scale $size --epochs $epochs \
  --batch-size 256 --schedule one-cycle --precision bfloat16 \
  --out "$training" || failed="$failed training"
# What is kept of a training is its record.
rm -f "$training"/*.safetensors

echo "== $SECONDS s${failed:+, failed:$failed}"
[ -z "$failed" ]

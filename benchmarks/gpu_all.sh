#!/usr/bin/env bash
# Everything that needs a GPU, in two calls of at most eight minutes each; results go to the folder $OUT.
#
#     OUT=results bash benchmarks/gpu_all.sh tests     # pytest -m gpu, a Multi30k run, gradient check, compute-sanitizer
#     OUT=results bash benchmarks/gpu_all.sh speed     # training beside PyTorch, roofline, decoding
#
# Needs requirements-gpu.txt; PyTorch with CUDA for the comparisons, transformers for the one of decoding. What is
# missing is said at the start. The most important comes first; what fails or runs out of time says so and does not
# stop the rest. $OUT/tests.txt and $OUT/speed.txt are written as the work goes on, and so are the .json files.
# Multi30k is looked for in the folder that $NUMPY_TRANSFORMER_DATA names, else downloaded.
#
# REHEARSE=1 does it all without a card, in small sizes, on the stand-in of tests/support/strict_gpu.py: that shows that this
# script works; the figures mean nothing.
set -uo pipefail
cd "$(dirname "$0")/.."
part=${1:-}
if [[ $part != tests && $part != speed ]]; then
    echo "usage: OUT=folder bash benchmarks/gpu_all.sh tests|speed" >&2
    exit 2
fi
mkdir -p "${OUT:?set OUT to a folder for the results}"
OUT=$(cd "$OUT" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONUNBUFFERED=1 PYTHONPATH=$PWD
data=multi30k
small_pytest=() small_gradcheck=() small_run=() small_training=() small_roofline=() small_decoding=()
if [[ ${REHEARSE:-} ]]; then
    export PYTHONPATH=$PWD/tests/support/stand_in:$PWD/tests/support:$PWD OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
    data=$work/rehearsal.tsv
    for i in {1..200}; do printf 'one two %d\teins zwei %d\n' "$i" "$i"; done > "$data"
    small_pytest=(-k "layer_norm and float64" tests/backend/test_kernels.py tests/backend/test_on_gpu.py)
    small_gradcheck=(layer_norm embedding)
    small_run=(--steps 3 --batch-tokens 200 --vocabulary 300)
    small_training=(--preset tiny --tokens 64 --length 8 --vocabulary 100 --steps 2 --product 16)
    small_roofline=(--preset tiny --tokens 64 --length 8 --vocabulary 100 --product 16 --copied 64)
    small_decoding=(--preset tiny --length 3 --runs 1 --batch 2)
fi
started=$SECONDS end=$((SECONDS + 470)) failures=()

run() { # run NAME SECONDS COMMAND...: at most so many seconds, and no more than are left
    local name=$1 limit=$2 left=$((end - SECONDS)) begun=$SECONDS status=0
    shift 2
    printf '\n== %s\n' "$name"
    if ((left < 10)); then
        echo "no time left"
        failures+=("$name: no time left")
        return
    fi
    timeout --kill-after=5 "$((limit < left ? limit : left))" "$@" || status=$?
    echo "-- $name: $((SECONDS - begun)) s, status $status"
    ((status == 124)) && failures+=("$name: stopped after $((SECONDS - begun)) s")
    ((status != 0 && status != 124)) && failures+=("$name: status $status")
    return 0
}

train_on() { # train_on NAME SECONDS OPTIONS...: gpu_training.py
    local name=$1 limit=$2
    shift 2
    run "training $name" "$limit" python3 benchmarks/gpu_training.py "$@" "${small_training[@]}"
}

what_is_there() {
    run "machine" 60 python3 - << 'PYTHON'
import importlib, platform, shutil, subprocess

print("Python", platform.python_version())
needed = {
    "cupy": "everything", "regex": "everything", "safetensors": "everything", "threadpoolctl": "everything",
    "pytest": "tests", "hypothesis": "tests", "rich": "the gradient check and training", "sacrebleu": "BLEU",
    "matplotlib": "learning curves", "torch": "the comparison of training", "transformers": "that of decoding",
}
for name, use in needed.items():
    try:
        print(name, getattr(importlib.import_module(name), "__version__", ""))
    except Exception as error:
        print(f"{name} is MISSING, needed for {use}: {error}")
for tool in ("nvidia-smi", "compute-sanitizer"):
    print(tool, shutil.which(tool) or "is MISSING")
if shutil.which("nvidia-smi"):
    subprocess.run(["nvidia-smi"], check=False)
PYTHON
}

all_tests() {
    local gpu_tests=(python3 -m pytest -p no:cacheprovider -m gpu --continue-on-collection-errors)
    run "pytest -m gpu" 180 "${gpu_tests[@]}" "${small_pytest[@]}"
    run "gradient check" 90 python3 -m numpy_transformer.gradcheck --device gpu "${small_gradcheck[@]}"
    run "Multi30k, tiny, 8,000 updates" 300 python3 train.py --device gpu --precision tf32 --data "$data" \
        --preset tiny --steps 8000 --evaluate-every 400 --average 5 --run "$work/run" "${small_run[@]}"
    cp "$work/run/log.jsonl" "$OUT/multi30k.jsonl" || failures+=("Multi30k: no log")
    command -v compute-sanitizer > /dev/null || return 0
    for tool in memcheck racecheck; do
        run "compute-sanitizer $tool" 90 compute-sanitizer --tool "$tool" --error-exitcode 9 \
            "${gpu_tests[@]}" -x -k "card and float32" tests/backend/test_*kernels.py
    done
}

all_speeds() {
    local pair=("ours bfloat16" "PyTorch bfloat16 compiled") size
    train_on "base, 25,000 tokens, V 37,000" 240 --preset base --json "$OUT/training-base.json" \
        --sides "${pair[@]}" "ours tf32" "PyTorch tf32 compiled"
    run "roofline" 60 python3 benchmarks/gpu_roofline.py --measure --json "$OUT/roofline.json" "${small_roofline[@]}"
    train_on "big, 25,000 tokens, V 37,000" 150 --preset big --steps 20 --json "$OUT/training-big.json" \
        --sides "${pair[@]}"
    train_on "tiny, 4,096 tokens, V 8,000" 120 --preset tiny --tokens 4096 --vocabulary 8000 \
        --json "$OUT/training-tiny.json" --sides "${pair[@]}" "ours tf32" "PyTorch tf32 compiled"
    run "decoding" 60 python3 benchmarks/gpu_decoding.py --json "$OUT/decoding.json" "${small_decoding[@]}" \
        --sides "ours float32" "ours bfloat16" "Hugging Face float32" "Hugging Face bfloat16"
    train_on "base, not compiled" 60 --preset base --steps 20 --json "$OUT/training-base-eager.json" \
        --sides "ours float32" "PyTorch float32" "PyTorch tf32" "PyTorch bfloat16"
    for size in "base 4096 8000" "base 4096 37000" "tiny 25000 8000" "big 4096 37000" "tiny 25000 37000"; do
        read -r preset tokens vocabulary <<< "$size"
        train_on "$preset, $tokens tokens, V $vocabulary" 30 --preset "$preset" --tokens "$tokens" \
            --vocabulary "$vocabulary" --steps 20 --sides "ours bfloat16" "PyTorch bfloat16"
    done
}

{
    what_is_there
    if [[ $part == tests ]]; then all_tests; else all_speeds; fi
    printf '\n== %s: %d s\n' "$part" "$((SECONDS - started))"
    if ((${#failures[@]})); then printf '%s\n' "${failures[@]}"; else echo "nothing failed"; fi
    ((${#failures[@]} == 0))
} 2>&1 | tee "$OUT/$part.txt"
exit "${PIPESTATUS[0]}"

#!/usr/bin/env bash
# Everything that needs a GPU, in one call of at most nine minutes, the most valuable facts first.
#
#     bash benchmarks/gpu_lease.sh RESULTS                 # all stages, in the order below
#     bash benchmarks/gpu_lease.sh RESULTS smoke ours      # only these, for instance again after a repair
#
# For cards that are lent for a few minutes: every stage has a limit of its own, a stage that fails does not stop the next,
# and RESULTS (log.txt and at most seven .json and .xml files) is rewritten while the work goes on, so nothing measured is
# lost when the time ends. Nothing is downloaded. Needs cupy-cuda12x or cupy-cuda13x with the [ctk] extra; PyTorch with
# CUDA for the comparisons, transformers for the one of decoding, pytest-xdist for tests in eight processes; what is
# missing is said and left out. Multi30k is trained if the folder that NUMPY_TRANSFORMER_DATA names has it, else the
# phrasebook.
#
# REHEARSE=1 does it all without a card, in small sizes, on the stand-in of tests/support/strict_gpu.py: that shows that
# this script works; the figures mean nothing.
set -uo pipefail
if (($# < 1)); then
    echo "usage: bash benchmarks/gpu_lease.sh RESULTS [STAGE ...]" >&2
    exit 2
fi
mkdir -p "$1" && results=$(cd "$1" && pwd) || exit 2
shift
only=" $* "
cd "$(dirname "$0")/.."
work=$(mktemp -d)
background=
trap '[[ $background ]] && kill "$background" 2> /dev/null; rm -rf "$work"' EXIT
end=$((SECONDS + 525)) failures=()

export PYTHONUNBUFFERED=1 PYTHONPATH=$PWD
# A kernel that cannot be compiled shows its source and NVRTC's whole log.
export CUPY_DUMP_CUDA_SOURCE_ON_ERROR=1
export TORCHINDUCTOR_CACHE_DIR=$work/inductor TORCHINDUCTOR_COMPILE_THREADS=8
sizes=() smoke=() training=() decoding=() roofline=() run=(--data phrasebook --steps 1300)
tests=(-n 8 -m gpu tests/backend)
python3 -c "import xdist" 2> /dev/null || tests=("${tests[@]:2}")
[[ -d ${NUMPY_TRANSFORMER_DATA:-}/multi30k ]] && run=(--data multi30k --preset tiny --steps 8000 --evaluate-every 2000)
if [[ ${REHEARSE:-} ]]; then
    export PYTHONPATH=$PWD/tests/support/stand_in:$PWD/tests/support:$PWD OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
    for i in {1..200}; do printf 'one two %d\teins zwei %d\n' "$i" "$i"; done > "$work/rehearsal.tsv"
    sizes=(--preset tiny --vocabulary 100 --length 8 --tokens 64)
    smoke=("${sizes[@]}" --sentences 4) training=("${sizes[@]}" --steps 2 --product 16)
    roofline=("${sizes[@]}" --product 16 --copied 64)
    decoding=(--preset tiny --length 3 --runs 1 --batch 2)
    run=(--data "$work/rehearsal.tsv" --steps 3 --batch-tokens 200 --vocabulary 300)
    tests=(-m gpu -k "layer_norm and float64" tests/backend/test_kernels.py)
fi

stage() { # stage NAME SECONDS COMMAND...: at most so many seconds, and no more than are left
    local name=$1 limit=$2 left=$((end - SECONDS)) begun=$SECONDS status=0
    shift 2
    [[ $only == "  " || $only == *" $name "* ]] || return 0
    printf '\n== %s, at %d s\n' "$name" "$SECONDS"
    if ((left < 8)); then
        echo "no time left"
        failures+=("$name: no time left")
        return 0
    fi
    timeout --kill-after=5 "$((limit < left ? limit : left))" "$@" || status=$?
    echo "-- $name: $((SECONDS - begun)) s, status $status"
    ((status == 124 || status == 137)) && failures+=("$name: stopped after $((SECONDS - begun)) s")
    ((status != 0 && status != 124 && status != 137)) && failures+=("$name: status $status")
    return 0
}

train() { # train NAME SECONDS FILE SIDE...: steps of the base model with batches of 25,000 tokens
    stage "$1" "$2" python3 benchmarks/gpu_training.py --steps 20 --json "$results/$3" "${training[@]}" --sides "${@:4}"
}

{
    stage facts 15 python3 benchmarks/lease/facts.py
    # PyTorch's compiler needs a minute of the CPU: it fills its cache while our stages use the card.
    if [[ $only == "  " && ! ${REHEARSE:-} ]]; then
        nice -n 19 timeout 150 python3 benchmarks/lease/warm_compile.py > "$work/warm.log" 2>&1 &
        background=$!
    fi
    stage smoke 45 python3 benchmarks/lease/smoke.py --json "$results/smoke.json" "${smoke[@]}"
    stage cublas 40 python3 benchmarks/lease/cublas_facts.py --json "$results/cublas.json" "${sizes[@]}"
    train ours 60 training-ours.json "ours bfloat16" "ours tf32" "ours float32"
    if [[ $background ]]; then
        kill "$background" 2> /dev/null
        wait "$background" 2> /dev/null
        background=
        echo "-- PyTorch's compiler, in the background:" && tail -n 3 "$work/warm.log"
    fi
    train pytorch 75 training-pytorch.json "PyTorch bfloat16 compiled" "PyTorch bfloat16" "PyTorch tf32"
    stage tests 100 python3 -m pytest -p no:cacheprovider -rfE --junitxml "$results/tests.xml" "${tests[@]}"
    stage roofline 40 python3 benchmarks/gpu_roofline.py --measure --json "$results/roofline.json" "${roofline[@]}"
    stage decoding 50 python3 benchmarks/gpu_decoding.py --runs 2 --json "$results/decoding.json" "${decoding[@]}" \
        --sides "ours bfloat16" "ours float32" "Hugging Face bfloat16"
    stage run 60 python3 train.py --device gpu --precision bfloat16 --run "$work/run" "${run[@]}"
    # Without CuPy's pool every array is a block of its own, so that a write behind its end is seen.
    if command -v compute-sanitizer > /dev/null; then
        checker=(compute-sanitizer --tool memcheck --error-exitcode 9)
    else
        echo "compute-sanitizer is missing: the kernels run without it" && checker=()
    fi
    stage memory 40 "${checker[@]}" python3 benchmarks/lease/each_kernel_once.py
    printf '\n== all figures, at %d s\n' "$SECONDS"
    python3 benchmarks/lease/table.py "$results"
    if ((${#failures[@]})); then printf '%s\n' "${failures[@]}"; else echo "nothing failed"; fi
    ((${#failures[@]} == 0))
} 2>&1 | tee "$results/log.txt"
exit "${PIPESTATUS[0]}"

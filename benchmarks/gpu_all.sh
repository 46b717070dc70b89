#!/usr/bin/env bash
# Everything that needs a GPU, in two calls of at most eight minutes each; results go to the folder $OUT.
#
#     OUT=results bash benchmarks/gpu_all.sh tests     # pytest -m gpu, the gradient check, compute-sanitizer
#     OUT=results bash benchmarks/gpu_all.sh speed     # roofline, decoding, training beside PyTorch
#
# Needs requirements-gpu.txt, and PyTorch with CUDA for the comparison. What fails or runs out of time leaves its word in
# its file and does not stop the others.
set -uo pipefail
cd "$(dirname "$0")/.."
OUT=${OUT:?set OUT to a folder for the results}
mkdir -p "$OUT"
end=$((SECONDS + 470))

run() { # run NAME COMMAND...: within the time that is left
    local name=$1 left=$((end - SECONDS))
    shift
    if ((left < 10)); then
        echo "no time left" > "$OUT/$name.txt"
        return
    fi
    echo "== $name"
    timeout "$left" "$@" > "$OUT/$name.txt" 2>&1 || echo "status $?" >> "$OUT/$name.txt"
    tail -n 15 "$OUT/$name.txt"
}

run card nvidia-smi
case "${1:-}" in
tests)
    run tests python -m pytest -m gpu -rs
    run gradcheck python -m numpy_transformer.gradcheck --device gpu
    if command -v compute-sanitizer > /dev/null; then
        for tool in memcheck racecheck; do
            run "sanitizer-$tool" compute-sanitizer --tool "$tool" python -m pytest -m gpu -k "layer_norm or attention"
        done
    fi
    ;;
speed)
    run roofline python benchmarks/gpu_roofline.py --measure
    run decoding-base python benchmarks/gpu_decoding.py --devices gpu
    run training-base python benchmarks/gpu_training.py --preset base --json "$OUT/training-base.json"
    run training-big python benchmarks/gpu_training.py --preset big --steps 20 --json "$OUT/training-big.json" \
        --sides "ours bfloat16" "PyTorch bfloat16" "PyTorch bfloat16 compiled"
    run training-tiny python benchmarks/gpu_training.py --preset tiny --tokens 4096 --vocabulary 8000 \
        --json "$OUT/training-tiny.json" --sides "ours tf32" "ours bfloat16" "PyTorch tf32 compiled"
    ;;
*)
    echo "usage: OUT=folder bash benchmarks/gpu_all.sh tests|speed" >&2
    exit 2
    ;;
esac

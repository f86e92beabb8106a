#!/usr/bin/env bash
# Everything about GPUs in one go, in eight minutes at most: what is missing, tests/gpu, then gpu.py beside this.
#
#   benchmarks/speed/gpu_check.sh [--wheels FOLDER] [--out FOLDER] [--tests-only] [options of gpu.py]
#
# Needs no network. What the Python at hand (PYTHON, else python3) has is used, CUDA libraries of the system or of
# NVIDIA's packages among it. The wheels of FOLDER are unpacked into a temporary folder that goes before all that. A wheel
# may be cut by `split -d -a 2 -b 50m NAME.whl NAME.whl.`: its pieces NAME.whl.00, NAME.whl.01 ... are joined.
# With `--provider cpu --quick`, the same steps run in a minute on any machine.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3} wheels="" out=gpu_results only="" provider=cuda
more=()
while [ $# -gt 0 ]; do
    case $1 in
        --wheels) wheels=$2; shift 2 ;;
        --out) out=$2; shift 2 ;;
        --tests-only) only=yes; shift ;;
        --provider) provider=$2; more+=("$1" "$2"); shift 2 ;;
        *) more+=("$1"); shift ;;
    esac
done
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
path=$PWD

if [ -n "$wheels" ]; then
    echo "== wheels of $wheels"
    mkdir "$work/wheels"
    for first in "$wheels"/*.whl.00; do
        [ -e "$first" ] && cat "${first%.00}".[0-9][0-9] > "$work/wheels/$(basename "${first%.00}")"
    done
    for whole in "$wheels"/*.whl; do
        [ -e "$whole" ] && ln -s "$(realpath "$whole")" "$work/wheels/"
    done
    timeout 60 "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --target "$work/site" \
        "$work/wheels"/*.whl
    path=$work/site:$path
fi
export PYTHONPATH=$path${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1 OPENBLAS_NUM_THREADS=1 BBDFT_CACHE=$work/cache

echo "== provider"
timeout 25 "$python" - "$provider" << 'END'
import sys
from blackbox_dft.targets.onnx.providers import load_nvidia_libraries, unavailable_reason
load_nvidia_libraries()
reason = unavailable_reason(sys.argv[1])
sys.exit(f"nothing to measure: no {sys.argv[1]} here ({reason})" if reason else 0)
END

echo "== tests/gpu"
# Failed tests do not keep from measuring.
status=0
timeout 50 "$python" -m pytest -n 0 -p no:cacheprovider tests/gpu/test_cuda.py 2>&1 | tee "$out/tests.txt" || status=1
[ -n "$only" ] && exit $status

echo "== gpu.py"
timeout 345 "$python" benchmarks/speed/gpu.py --out "$out" ${more[@]+"${more[@]}"} 2>&1 | tee "$out/log.txt" || status=1
exit $status

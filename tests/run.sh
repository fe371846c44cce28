#!/usr/bin/env bash
# Everything that must hold before a change lands: formatting, lints, documentation, all tests.
#
# Installs what the tests need beside Rust: a Vulkan adapter, which where there is no GPU is Mesa's software adapter,
# lavapipe (Debian and Ubuntu: mesa-vulkan-drivers, libvulkan1), and an environment for the Python package's tests. Into
# target/ go a second software adapter, Chromium's SwiftShader (where there is apt-get; SUPERMASK_SWIFTSHADER names
# another's vk_swiftshader_icd.json), and Chromium's compiler of WGSL, Tint (where there is node).
#
#   bash tests/run.sh            everything
#   bash tests/run.sh --quick    between two changes: formatting, lints, unit tests, the program's commands
set -euo pipefail
cd "$(dirname "$0")/.."

quick=false
case "${1:-}" in
    "") ;;
    --quick) quick=true ;;
    *) echo "usage: bash tests/run.sh [--quick]" >&2; exit 2 ;;
esac

sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
lavapipe=/usr/share/vulkan/icd.d/lvp_icd.x86_64.json
swiftshader="${SUPERMASK_SWIFTSHADER:-}"
if [ "$(uname -s)" = Linux ]; then
    if ! ls /usr/share/vulkan/icd.d/lvp_icd.*.json >/dev/null 2>&1 || ! ldconfig -p | grep -q 'libvulkan\.so\.1'; then
        if ! command -v apt-get >/dev/null; then
            echo "The tests need a software Vulkan adapter: install Mesa's lavapipe and the Vulkan loader." >&2
            exit 1
        fi
        $sudo apt-get update -qq
        DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends \
            mesa-vulkan-drivers libvulkan1 >/dev/null
    fi
    # The kernels are tested on the same adapter everywhere, also beside a hardware GPU.
    [ ! -e "$lavapipe" ] || export VK_ICD_FILENAMES="$lavapipe"
    # Debian's package has AMD's compiler too, without which the kernels' limits would be tested nowhere.
    if command -v apt-get >/dev/null && [ "$(uname -m)" = x86_64 ]; then
        export SUPERMASK_RADV=$(ls /usr/share/vulkan/icd.d/radeon_icd*.json | head -n 1)
    fi
    # SwiftShader alone is taken out of its package, which asks for much that no test needs.
    unpacked="$PWD/target/swiftshader"
    for folder in /usr/lib/chromium /opt/google/chrome "$unpacked/usr/lib/chromium"; do
        [ -n "$swiftshader" ] || [ ! -e "$folder/vk_swiftshader_icd.json" ] || swiftshader="$folder/vk_swiftshader_icd.json"
    done
    if ! $quick && [ -z "$swiftshader" ] && command -v apt-get >/dev/null; then
        mkdir -p "$unpacked"
        download() { (cd "$unpacked" && rm -f ./*.deb && apt-get download -qq chromium-common); }
        download 2>/dev/null || { $sudo apt-get update -qq && download; } || {
            echo "The tests need SwiftShader, which Debian has in chromium-common and Chrome in its folder:" >&2
            echo "SUPERMASK_SWIFTSHADER is to name its vk_swiftshader_icd.json." >&2
            exit 1
        }
        dpkg-deb --fsys-tarfile "$unpacked"/chromium-common_*.deb | tar -x -C "$unpacked" --wildcards '*swiftshader*'
        rm "$unpacked"/*.deb
        swiftshader="$unpacked/usr/lib/chromium/vk_swiftshader_icd.json"
    fi
fi

# The Python package is tested by the first Python of 3.10 or later that there is.
python=""
for candidate in python3 python3.{14,13,12,11,10}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
        python=$(command -v "$candidate")
        break
    fi
done
if [ -z "$python" ]; then
    echo "The Python package's tests need Python 3.10 or later (Debian and Ubuntu: python3, python3-venv)." >&2
    exit 1
fi
mkdir -p target
$quick || ("$python" -m venv target/python && target/python/bin/pip install --quiet --disable-pip-version-check \
    numpy pytest pandas 'scikit-learn>=1.6' mypy==2.4.1) >target/python.log 2>&1 &
environment=$!
# Tint comes in a package for node.
tint=""
if ! $quick && command -v npm >/dev/null; then
    npm install --prefix target/tint --no-audit --no-fund --ignore-scripts webgpu@0.6.2 >target/tint.log 2>&1 &
    tint=$!
fi

# A build from nothing gains nothing from what would serve the next one.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
export SUPERMASK_FUZZ_SECONDS="${SUPERMASK_FUZZ_SECONDS:-10}"

# The same features for every part, so that no dependency is built twice; and as maturin has it, what Python loads finds
# Python's functions in who loads it.
export PYO3_BUILD_EXTENSION_MODULE=1 PYO3_PYTHON="$python"

# Does a part, and remembers how long it took; the first that fails ends everything.
times=""
part() {
    local name="$1" begun=$SECONDS
    shift
    echo "+ $*" >&2
    "$@" || { echo "$name failed" >&2; exit 1; }
    times+="$(printf '%6d s  %s' $((SECONDS - begun)) "$name")"$'\n'
}

skipped() {
    times+="$(printf ' skipped  %s: %s' "$1" "$2")"$'\n'
}

part "formatting" cargo fmt --all --check
part "lints" cargo clippy --workspace --all-targets --quiet -- -D warnings
if $quick; then
    part "build of the tests" cargo test --workspace --no-run --lib --test architecture --test program
    part "unit tests" cargo test --workspace --lib
    part "order of the rooms" cargo test --workspace --test architecture
    part "commands" cargo test --workspace --test program
else
    part "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
    part "build of the tests" cargo test --workspace --no-run
    if [ -z "$tint" ]; then
        skipped "Tint" "no node with npm"
    elif wait "$tint"; then
        export SUPERMASK_TINT="$PWD/target/tint/node_modules/webgpu"
    else
        cat target/tint.log >&2
        skipped "Tint" "npm does not get webgpu"
    fi
    part "unit tests" cargo test --workspace --lib --bins
    for path in tests/*.rs tests/*/main.rs; do
        test="$(basename "${path%/main.rs}" .rs)"
        part "$test" cargo test --workspace --test "$test"
    done
    if [ -n "$swiftshader" ]; then
        on_swiftshader=(env VK_ICD_FILENAMES="$swiftshader" SUPERMASK_TEST_ADAPTER=SwiftShader)
        part "conformance on SwiftShader" \
            "${on_swiftshader[@]}" cargo test --workspace --test conformance -- neighbours gpu::
        part "check of SwiftShader" "${on_swiftshader[@]}" target/debug/supermask check --quick --adapter SwiftShader
    else
        skipped "SwiftShader" "no apt-get, and SUPERMASK_SWIFTSHADER names none"
    fi
    part "examples of the documentation" cargo test --workspace --doc
    part "build of the Python package" cargo build --workspace --lib --tests --quiet
    wait "$environment" || { cat target/python.log >&2; exit 1; }
    ln -sf "$(ls "$PWD"/target/debug/lib_supermask.{so,dylib} 2>/dev/null | head -n 1)" python/supermask/_supermask.abi3.so
    part "Python package" env PYTHONPATH=python target/python/bin/pytest -q python
fi
printf '\n%s' "$times" >&2

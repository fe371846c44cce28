#!/usr/bin/env bash
# Everything that must hold before a change lands: formatting, lints, documentation, all tests.
#
# Installs what the tests need beside Rust: a Vulkan adapter, which where there is no GPU is Mesa's software adapter,
# lavapipe (Debian and Ubuntu: mesa-vulkan-drivers, libvulkan1), and an environment for the Python package's tests.
set -euo pipefail
cd "$(dirname "$0")/.."

lavapipe=/usr/share/vulkan/icd.d/lvp_icd.x86_64.json
if [ "$(uname -s)" = Linux ]; then
    if ! ls /usr/share/vulkan/icd.d/lvp_icd.*.json >/dev/null 2>&1 || ! ldconfig -p | grep -q 'libvulkan\.so\.1'; then
        if ! command -v apt-get >/dev/null; then
            echo "The tests need a software Vulkan adapter: install Mesa's lavapipe and the Vulkan loader." >&2
            exit 1
        fi
        sudo=""
        [ "$(id -u)" = 0 ] || sudo="sudo"
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
("$python" -m venv target/python && target/python/bin/pip install --quiet --disable-pip-version-check \
    numpy pytest pandas 'scikit-learn>=1.6') >target/python.log 2>&1 &
environment=$!

# A build from nothing gains nothing from what would serve the next one.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
export SUPERMASK_FUZZ_SECONDS="${SUPERMASK_FUZZ_SECONDS:-10}"

# As maturin does: what Python loads finds Python's functions in who loads it.
export PYO3_BUILD_EXTENSION_MODULE=1 PYO3_PYTHON="$python"

set -x
cargo fmt --all --check
cargo clippy --workspace --all-targets --quiet -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --quiet
cargo test --workspace
# With the tests' features of all dependencies, so that none is built again.
cargo build --workspace --lib --tests --quiet
{ wait "$environment" || { cat target/python.log >&2; exit 1; }; } 2>/dev/null
extension=$(ls target/debug/lib_supermask.{so,dylib} 2>/dev/null | head -n 1)
ln -sf "$PWD/$extension" python/supermask/_supermask.abi3.so
PYTHONPATH=python target/python/bin/pytest -q python

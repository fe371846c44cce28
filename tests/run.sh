#!/usr/bin/env bash
# Everything that must hold before a change lands: formatting, lints, documentation, all tests.
#
# Installs the one thing that the tests need beside Rust: a Vulkan adapter. Where there is no GPU that is
# Mesa's software adapter, lavapipe (Debian and Ubuntu: mesa-vulkan-drivers, libvulkan1).
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

# A build from nothing gains nothing from what would serve the next one.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
export SUPERMASK_FUZZ_SECONDS="${SUPERMASK_FUZZ_SECONDS:-10}"

set -x
cargo fmt --all --check
cargo clippy --all-targets --quiet -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --quiet
cargo test

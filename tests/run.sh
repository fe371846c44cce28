#!/usr/bin/env bash
# Everything that must hold before a change lands: formatting, lints, documentation, all tests.
#
# Installs the one thing that the tests need beside Rust: a Vulkan adapter. Where there is no GPU that is
# Mesa's software adapter, lavapipe (Debian and Ubuntu: mesa-vulkan-drivers, libvulkan1).
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

# Does a part, and remembers how long it took; the first that fails ends everything.
times=""
part() {
    local name="$1" begun=$SECONDS
    shift
    echo "+ $*" >&2
    "$@" || { echo "$name failed" >&2; exit 1; }
    times+="$(printf '%6d s  %s' $((SECONDS - begun)) "$name")"$'\n'
}

part "formatting" cargo fmt --all --check
part "lints" cargo clippy --all-targets --quiet -- -D warnings
if $quick; then
    part "build of the tests" cargo test --no-run --lib --test architecture --test program
    part "unit tests" cargo test --lib
    part "order of the rooms" cargo test --test architecture
    part "commands" cargo test --test program
else
    part "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --quiet
    part "build of the tests" cargo test --no-run
    part "unit tests" cargo test --lib --bins
    for path in tests/*.rs tests/*/main.rs; do
        test="$(basename "${path%/main.rs}" .rs)"
        part "$test" cargo test --test "$test"
    done
    part "examples of the documentation" cargo test --doc
fi
printf '\n%s' "$times" >&2

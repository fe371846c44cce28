#!/usr/bin/env bash
# Everything in docs/PERFORMANCE.md and in the scaling and host parts of docs/RESULTS.md, measured anew: some ten
# minutes on a machine that does nothing else. Run it after `cargo build --release` and
# `cargo bench --bench host --no-run`.
#
#   benches/quiet.sh [OUT [ADAPTER …]]     results go to OUT [quiet], for the adapters [cpu software]
#
# SECONDS_EACH is the time of a point [1]. Plots are also put into docs/figures.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-quiet}
shift || true
adapters=("$@")
[ $# -gt 0 ] || adapters=(cpu software)
each=${SECONDS_EACH:-1}
program=target/release/supermask
mkdir -p "$out" docs/figures

{ date -u +%F; "$program" --version; uptime; nproc; } | tee "$out/machine.txt"
for adapter in "${adapters[@]}"; do
    echo "== $adapter: scaling"
    "$program" bench --scaling --adapter "$adapter" --seconds "$each" --out "$out/scaling-$adapter.bench.json" \
        --plot "docs/figures/scaling-$adapter.svg" | tee "$out/scaling-$adapter.txt"
done
echo "== throughput and roofline"
"$program" bench --adapter cpu --seconds "$each" --out "$out/cpu.bench.json" --plot docs/figures/roofline-cpu.svg |
    tee "$out/throughput-cpu.txt"
"$program" bench --adapter software --network A --network B --network C --network D --samples 2000 --masks 50 \
    --seconds "$each" --out "$out/software.bench.json" --plot docs/figures/roofline-software.svg |
    tee "$out/throughput-software.txt"
echo "== host"
cargo bench --quiet --bench host | tee "$out/host.txt"
echo "== sweeps: estimated, then done"
for adapter in "${adapters[@]}"; do
    sweep=(sweep configs/cost-check.json --adapter "$adapter" --out "$out/sweep-$adapter")
    rm -rf "$out/sweep-$adapter"
    "$program" "${sweep[@]}" --dry-run | tee "$out/estimated-$adapter.txt"
    start=$(date +%s.%N)
    "$program" "${sweep[@]}" >"$out/sweep-$adapter.txt"
    end=$(date +%s.%N)
    awk -v a="$start" -v b="$end" 'BEGIN { printf "the sweep took %.2f s\n", b - a }' | tee -a "$out/sweep-$adapter.txt"
done

#!/usr/bin/env bash
# Packs the release build of a target, with completions and manual pages, into dist/, and runs what was packed.
#
#   bash .github/package.sh x86_64-unknown-linux-gnu [FOLDER OF THE BINARY]
set -euo pipefail
cd "$(dirname "$0")/.."

target="$1"
built="${2:-target/$target/release}"
version="$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)"
name="supermask-$version-$target"
ending=""
[[ "$target" != *windows* ]] || ending=".exe"

rm -rf "dist/$name"
mkdir -p "dist/$name/completions" "dist/$name/man"
cp "$built/supermask$ending" README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE CITATION.cff "dist/$name/"
cp -r configs "dist/$name/configs"
supermask="dist/$name/supermask$ending"
for shell in bash zsh fish powershell elvish; do
    "$supermask" completions "$shell" > "dist/$name/completions/supermask.$shell"
done
"$supermask" man --out "dist/$name/man"
"$supermask" schema > "dist/$name/supermask.schema.json"

# What is handed out finds a ticket.
"$supermask" run configs/quickstart.json --generations 5 --out "dist/try-$target" --adapter cpu
rm -rf "dist/try-$target"

cd dist
if [ -n "$ending" ]; then
    7z a -bso0 "$name.zip" "$name"
else
    tar -czf "$name.tar.gz" "$name"
fi
rm -rf "$name"
ls -l

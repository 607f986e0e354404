#!/usr/bin/env bash
# Compile every kernel offline for a device this machine does not have, and refuse register spills.
# usage: offline.sh gfx90a|gfx1030|gfx1100|nvptx64 CL_DIR
#
# AMD: a code object whose notes tell registers and spills. NVIDIA: PTX (registers are virtual there;
# ptxas, where installed, compiles it on and tells the spills).
set -euo pipefail
target=$1
cl=$2
case $target in
gfx*)
    bitcode=/usr/lib/clc/amdgcn--amdhsa.bc
    flags=(-target amdgcn-amd-amdhsa -mcpu="$target")
    ;;
nvptx64)
    bitcode=/usr/lib/clc/nvptx64--nvidiacl.bc
    flags=(-target nvptx64-nvidia-nvcl -Xclang -target-cpu -Xclang sm_80 -Xclang -target-feature
           -Xclang +ptx70 -S)
    ;;
esac
for need in clang-15 llvm-readelf-15; do
    command -v $need >/dev/null 2>&1 || { echo "SKIPPED: $need is not installed"; exit 77; }
done
[ -e "$bitcode" ] || { echo "SKIPPED: $bitcode is not installed (libclc-15)"; exit 77; }

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0
sources=0
kernels=0
fail() { echo "FAILED: $*"; failed=1; }

spills() { # spills FILE: lines "kernel vgprs spills"
    llvm-readelf-15 --notes "$1" | awk '
        /\.name:/ && $2 !~ /^\./ { name = $2 }
        /\.vgpr_count:/ { vgpr = $2 }
        /\.sgpr_spill_count:/ { sgpr_spill = $2 }
        /\.vgpr_spill_count:/ { print name, vgpr, $2 + sgpr_spill }'
}

for source in "$cl"/ops/*.cl; do
    stem=$(basename "$source" .cl)
    sources=$((sources + 1))
    wanted=$(grep -v '^#' "$source" | grep -cE '^(__kernel|[A-Z]+_KERNEL)\b' || true)
    # variants: lines "offline: -DX=…" in the file's head, else one plain build
    variants=$(sed -n 's/^.*offline: *\(-D.*\)$/\1/p' "$source")
    while IFS= read -r defines; do
        object=$out/$stem.out
        # shellcheck disable=SC2086
        if ! clang-15 -x cl -cl-std=CL1.2 "${flags[@]}" -O3 -nogpulib -DWG=64 -DCPU=0 $defines -I "$cl" \
             -Xclang -finclude-default-header -Xclang -mlink-builtin-bitcode -Xclang "$bitcode" \
             "$source" -o "$object" 2>"$out/log"; then
            cat "$out/log"
            fail "$stem $defines does not compile for $target"
            continue
        fi
        if [ "$target" = nvptx64 ]; then
            n=$(grep -c '^\.entry\|\.visible \.entry' "$object" || true)
            kernels=$((kernels + n))
            [ "$n" -ge 1 ] || fail "$stem: no kernel in the PTX"
            if command -v ptxas >/dev/null 2>&1; then
                ptxas -v -arch=sm_80 "$object" -o "$out/cubin" 2>"$out/log" || fail "$stem: ptxas"
                awk -v stem="$stem" '/spill/ && ($5 + $9 > 0) { print stem ": " $0; bad = 1 }
                    END { exit bad }' "$out/log" || fail "$stem $defines spills registers on sm_80"
            fi
        else
            spills "$object" >"$out/spills"
            n=$(wc -l <"$out/spills")
            kernels=$((kernels + n))
            [ "$n" -ge "$wanted" ] || fail "$stem: $n kernels in the object, $wanted in the source"
            awk '$3 > 0 { print; bad = 1 } END { exit bad }' "$out/spills" ||
                fail "$stem $defines spills registers on $target (kernel vgprs spills above)"
        fi
    done <<<"$variants"
done
echo "$target: $kernels kernels of $sources sources"
[ "$failed" -eq 0 ] && [ "$kernels" -gt 0 ]

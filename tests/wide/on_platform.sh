#!/usr/bin/env bash
# Run an operation's test on a named platform and work-group width.
# usage: on_platform.sh pocl|rusticl WG TEST_PROGRAM     exit 77: the platform is not installed
set -euo pipefail
icd=/etc/OpenCL/vendors/$1.icd
if [ ! -e "$icd" ]; then
    echo "SKIPPED: $1 is not installed ($icd)"
    exit 77
fi
case $1 in
pocl) export MADPO_TEST_DEVICE="Portable Computing Language" ;;
rusticl) export RUSTICL_ENABLE=llvmpipe MADPO_TEST_DEVICE=rusticl MADPO_TEST_TINY=1 ;;
esac
export OCL_ICD_VENDORS=$icd MADPO_TEST_WG=$2
exec "$3"

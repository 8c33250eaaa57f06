#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run.sh OCIGATE DIR: writes the demo to DIR and gates its two images, offline.
# Exits 0 if shop-1.0 fails and shop-1.1 passes, as they should.
set -eu
ocigate=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)

(cd "$here/../.." && GOEXPERIMENT=jsonv2 go run ./examples/demo -out "$dir")

# gate VERSION WANTED: checks one image and compares the exit code.
gate() {
	set -- "$1" "$2" check "oci-archive:$dir/shop-$1.oci.tar" --policy "$dir/ocigate.yaml" \
		--db-dir "$dir/trivy-cache" --cache-dir "$dir/cache"
	version=$1 wanted=$2
	shift 2
	printf '\n$ ocigate %s\n' "$*"
	code=0
	"$ocigate" "$@" --quiet || code=$?
	if [ "$code" -ne "$wanted" ]; then
		echo "demo: shop-$version: exit code $code, expected $wanted" >&2
		exit 1
	fi
	echo "(exit code $code)"
}

gate 1.0 1
gate 1.1 0

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes the action install a release: writes its version and the checksums of its programs
# into the action's checksums.txt, below the comment that is there.
#
#   .github/release/embed-checksums.sh CHECKSUMS VERSION [FILE]
#
# CHECKSUMS is the checksums.txt of the release, after verify.sh has verified it.
set -euo pipefail

die() { printf 'embed-checksums.sh: %s\n' "$1" >&2; exit 1; }

if [ $# -lt 2 ] || [ $# -gt 3 ]; then die "usage: embed-checksums.sh CHECKSUMS VERSION [FILE]"; fi
checksums=$1 version=$2
to=${3:-$(dirname -- "$0")/../actions/ocigate/checksums.txt}
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || die "$version is not a version such as v1.2.3"
[ -f "$to" ] || die "$to is not there"

new=$(mktemp "$to.XXXXXX")
trap 'rm -f -- "$new"' EXIT
sed -n '/^#/p' "$to" >"$new"
printf 'version %s\n' "$version" >>"$new"
for platform in linux-amd64 linux-arm64 darwin-amd64 darwin-arm64; do
  line=$(grep -E "^[0-9a-f]{64}  ocigate-$platform\$" "$checksums") || die "$checksums has no sum of ocigate-$platform"
  [[ $line != *$'\n'* ]] || die "$checksums has two sums of ocigate-$platform"
  printf '%s\n' "$line" >>"$new"
done
chmod 0644 "$new"
mv -- "$new" "$to"

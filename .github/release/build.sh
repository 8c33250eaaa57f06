#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds what a release consists of, from the commit that is checked out, which must have a
# version tag: the same bytes on every machine with the same Go. It needs Go, git and nothing
# else, and fetches nothing but Go modules.
#
#   .github/release/build.sh OUT [OS-ARCH...]
#
# OUT must not exist. It gets the programs, an SBOM for each, the VEX document of this version,
# the image as an OCI layout (image/), its digest (image.txt) and the checksums of all files.
set -euo pipefail

die() { printf 'build.sh: %s\n' "$1" >&2; exit 1; }

[ $# -ge 1 ] || die "usage: build.sh OUT [OS-ARCH...]"
mkdir -- "$1"
out=$(cd -- "$1" && pwd)
shift
[ $# -gt 0 ] || set -- linux-amd64 linux-arm64 darwin-amd64 darwin-arm64
cd -- "$(dirname -- "$0")/../.."

version=$(git describe --tags --exact-match --match 'v[0-9]*' HEAD) || die "this commit has no version tag"
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || die "$version is not a version such as v1.2.3"
[ -z "$(git status --porcelain)" ] || die "there are changes that are not committed"
created=$(git log -1 --format=%ct HEAD)

# Whatever else is set in the environment makes no difference.
export CGO_ENABLED=0 GOEXPERIMENT=jsonv2 GOFLAGS='-mod=readonly -trimpath' GOTOOLCHAIN=local GOWORK=off
export GOAMD64=v1 GOARM64=v8.0
unset GOOS GOARCH GODEBUG GOFIPS140
found=$(go env GOVERSION)
wanted=go$(cat .github/release/go-version)
[ "$found" = "$wanted" ] || printf 'build.sh: this is %s; releases are built with %s, and have other bytes\n' "$found" "$wanted" >&2

tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT
go build -o "$tmp/release" ./pkg/internal/release
(cd .github/release/roots && go run .) >"$tmp/roots.pem"

images=()
for platform in "$@"; do
  program=$out/ocigate-$platform
  printf 'building %s %s\n' "$version" "$platform" >&2
  GOOS=${platform%-*} GOARCH=${platform#*-} go build -buildvcs=true -ldflags='-s -w -buildid=' -o "$program" ./cmd/ocigate
  built=$(go version -m "$program")
  [[ $built == *"github.com/ocigate/ocigate"$'\t'"$version"$'\t'* ]] || die "$program does not say that it is $version"
  "$tmp/release" sbom -out "$program.cdx.json" -created "$created" "$program"
  case $platform in linux-*) images+=("$program") ;; esac
done

digest=$("$tmp/release" image -out "$out/image" -version "$version" -created "$created" -roots "$tmp/roots.pem" "${images[@]}")
printf 'ghcr.io/ocigate/ocigate@%s\n' "$digest" >"$out/image.txt"
"$tmp/release" vex -in .github/release/ocigate.openvex.json -out "$out/ocigate.openvex.json" -version "$version" -digest "$digest"

cd -- "$out"
sum() { if command -v sha256sum >/dev/null; then sha256sum -- "$@"; else shasum -a 256 -- "$@"; fi; }
LC_ALL=C sum ocigate-* ocigate.openvex.json image.txt >checksums.txt
cat checksums.txt

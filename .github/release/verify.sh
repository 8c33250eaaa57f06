#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Verifies what was published: that the release workflow has signed the checksums for this
# version, that the files are those, that the program runs, and that the program passes the
# image that it is in, by signed.yaml and the VEX document that was published.
#
#   .github/release/verify.sh DIR VERSION [FLAG...]
#
# DIR holds the files of the release. FLAGs are for `ocigate check`: --db-dir, --offline, ….
# It needs cosign v3. TRUSTED_ROOT names a trusted root to use in place of the public one's;
# IMAGE is where the image is, if it was copied.
set -euo pipefail

die() { printf 'verify.sh: %s\n' "$1" >&2; exit 1; }

[ $# -ge 2 ] || die "usage: verify.sh DIR VERSION [FLAG...]"
dir=$(cd -- "$1" && pwd)
version=$2
shift 2
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || die "$version is not a version such as v1.2.3"
here=$(cd -- "$(dirname -- "$0")" && pwd)
policy=$(mktemp -d)
trap 'rm -rf -- "$policy"' EXIT

# The policy of this checkout, with the VEX document of the release beside it.
cp -- "$here/image.yaml" "$here/signed.yaml" "$policy/"
trust=()
if [ -n "${TRUSTED_ROOT:-}" ]; then
  trust=(--trusted-root "$TRUSTED_ROOT")
  cp -- "$TRUSTED_ROOT" "$policy/trusted_root.json"
  sed -i.before 's|^    keyless:$|&\n      trusted-root: {file: trusted_root.json}|' "$policy/signed.yaml"
fi

cosign verify-blob "${trust[@]}" --bundle "$dir/checksums.txt.sigstore.json" \
  --certificate-oidc-issuer https://token.actions.githubusercontent.com \
  --certificate-identity "https://github.com/ocigate/ocigate/.github/workflows/release.yml@refs/tags/$version" \
  "$dir/checksums.txt"

cd -- "$dir"
sum() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }
sum --check checksums.txt || die "these are not the files that were signed"
for name in ocigate.openvex.json image.txt; do
  grep -q "^[0-9a-f]\{64\}  $name\$" checksums.txt || die "checksums.txt does not say anything about $name"
done
cp -- ocigate.openvex.json "$policy/"

case $(uname -m) in x86_64) arch=amd64 ;; aarch64 | arm64) arch=arm64 ;; *) die "there is no program for $(uname -m)" ;; esac
program=ocigate-$(uname -s | tr '[:upper:]' '[:lower:]')-$arch
grep -q "^[0-9a-f]\{64\}  $program\$" checksums.txt || die "checksums.txt does not say anything about $program"
chmod 0755 "$program"
said=$("./$program" version)
[[ $said == "ocigate $version"$'\n'* ]] || die "$program says that it is $said"

published=$(cat image.txt)
[[ $published =~ ^ghcr\.io/ocigate/ocigate@sha256:[0-9a-f]{64}$ ]] || die "image.txt does not name an image"
image=${IMAGE:-$published}
[ "${image#*@}" = "${published#*@}" ] || die "$image is not the image that was published"
"./$program" check "registry:$image" --policy "$policy/signed.yaml" "$@"

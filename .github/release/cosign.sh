#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs cosign for the release workflow, by the checksum that stands here (the one that
# sigstore/cosign-installer's commit 3094a48 has for it). Prints the directory it is in.
set -euo pipefail

version=v3.0.6
sum=c956e5dfcac53d52bcf058360d579472f0c1d2d9b69f55209e256fe7783f4c74

dir=$(mktemp -d)
curl --proto '=https' --proto-redir '=https' --tlsv1.2 --fail --silent --show-error --location --retry 3 --max-filesize 300000000 \
  --output "$dir/cosign" -- "https://github.com/sigstore/cosign/releases/download/$version/cosign-linux-amd64"
printf '%s  %s\n' "$sum" "$dir/cosign" | sha256sum --check --strict --quiet
chmod 0755 "$dir/cosign"
printf '%s\n' "$dir"

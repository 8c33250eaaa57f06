// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"regexp"
)

// What the VEX document in the repository says of: every release, until a module changes.
const (
	anyModule = "pkg:golang/github.com/ocigate/ocigate"
	anyImage  = "pkg:oci/ocigate?repository_url=ghcr.io%2Focigate%2Focigate"
)

var (
	versions = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)
	digests  = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// stampVEX writes the VEX document of one release: what the repository's says of every
// release is said of this version and of this digest only.
func stampVEX(in, out, version, digest string) error {
	if !versions.MatchString(version) || !digests.MatchString(digest) {
		return fmt.Errorf("version %q and digest %q: want v1.2.3 and sha256:…", version, digest)
	}
	doc, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	for from, to := range map[string]string{
		anyModule: anyModule + "@" + version,
		anyImage:  "pkg:oci/ocigate@" + url.QueryEscape(digest) + "?repository_url=ghcr.io%2Focigate%2Focigate",
	} {
		from, to := quoted(from), quoted(to)
		if !bytes.Contains(doc, from) {
			return fmt.Errorf("%s says nothing of %s", in, from)
		}
		doc = bytes.ReplaceAll(doc, from, to)
	}
	return os.WriteFile(out, doc, 0o644)
}

func quoted(s string) []byte {
	b, _ := json.Marshal(s) // a string always can be
	return b
}

// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/cli"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
	"github.com/ocigate/ocigate/pkg/internal/sigstoretest"
	"github.com/ocigate/ocigate/pkg/verdict"
)

const signedPolicy = `version: 1
name: owner
authorities:
  - {name: release, key: {file: release.pub}, transparency-log: optional}
rules:
  signatures: [{id: signed, authorities: [release]}]
`

// TestNothingLoosensSignatures verifies an image that nobody signed with each flag and
// variable, and wants it to be FAILED, or at least not PASSED.
func TestNothingLoosensSignatures(t *testing.T) {
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	dir := tree(t, map[string]string{"owner.yaml": signedPolicy, "release.pub": string(key.PublicPEM), "lax.yaml": laxPolicy, "loose.yaml": loosePolicy,
		"Dockerfile": "FROM scratch\n", "empty-db/db/metadata.json": "{}"})
	index, blobs := imagetest.Layout(imagetest.Named(imagetest.NewImage(imagetest.NewLayer(imagetest.Gzip)), "1"))
	image := imagetest.WriteDir(t, imagetest.LayoutFiles(index, blobs)...)
	try := func(t *testing.T, s setting, env map[string]string, args ...string) {
		t.Helper()
		out := filepath.Join(t.TempDir(), "verdict.json")
		base := map[string]string{"HOME": dir}
		maps.Copy(base, env)
		code, _, errs := run(base, append([]string{"verify", "oci:" + image, "--enforce", filepath.Join(dir, "owner.yaml"),
			"--policy", filepath.Join(dir, "lax.yaml"), "--cache-dir", filepath.Join(dir, "cache"), "--output", "json=" + out, "--quiet"}, args...)...)
		b, err := os.ReadFile(out)
		if err != nil {
			if code == 0 {
				t.Errorf("exit 0 without a verdict: %s", errs)
			}
			return
		}
		var v verdict.Verdict
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		if code == 0 && !s.green || v.Status == verdict.Passed {
			t.Errorf("%v %v: exit code %d, %s", env, args, code, v.Status)
		}
		if len(env)+len(args) == 0 && (code != 1 || v.Status != verdict.Failed) {
			t.Fatalf("exit code %d, %s: %s", code, v.Status, errs)
		}
		for _, subject := range v.Subjects {
			for _, o := range subject.Outcomes {
				if o.Rule == "signed" && o.Result != verdict.Fail && o.Result != verdict.Error {
					t.Errorf("%v %v: %s", env, args, o.Result)
				}
			}
		}
	}
	try(t, setting{}, nil)
	verify, _, err := cli.Root().Find([]string{"verify"})
	if err != nil {
		t.Fatal(err)
	}
	replace := func(s string) string { return strings.ReplaceAll(s, "$DIR", dir) }
	for _, name := range slices.Sorted(maps.Keys(checkFlags())) {
		if verify.Flags().Lookup(name) == nil {
			continue
		}
		s := checkFlags()[name]
		for _, v := range s.values {
			t.Run("--"+name+"="+v, func(t *testing.T) { try(t, s, nil, strings.Fields("--"+name+"="+replace(v))...) })
		}
	}
	for _, name := range slices.Sorted(maps.Keys(variables())) {
		s := variables()[name]
		for _, v := range s.values {
			t.Run(name+"="+v, func(t *testing.T) { try(t, s, map[string]string{name: replace(v)}) })
		}
	}
}

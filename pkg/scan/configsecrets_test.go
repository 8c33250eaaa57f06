// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

func TestConfigSecrets(t *testing.T) {
	id := "AKIA" + "0123456789ABCDEF"
	cfg := &v1.ConfigFile{Config: v1.Config{Env: []string{"A=b", "K=" + id + ` <x>`}}}
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	res := s.config.AnalyzeImageConfig(t.Context(), ftypes.OS{}, cfg)
	if res == nil || res.Secret == nil || len(res.Secret.Findings) != 1 {
		t.Fatalf("Trivy finds %+v", res)
	}
	got := configSecrets(cfg, res.Secret.Findings)
	if diff := cmp.Diff([]ConfigSecret{{"aws-access-key-id", res.Secret.Findings[0].StartLine, id}}, got); diff != "" {
		t.Error(diff)
	}
	// Where the censored line cannot be laid over the line, the whole line is secret.
	res.Secret.Findings[0].Match = "something else ****"
	got = configSecrets(cfg, res.Secret.Findings)
	if len(got) != 1 || got[0].Value != "K="+id+` <x>` {
		t.Errorf("%+v", got)
	}
}

// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp/syntax"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	trivy "github.com/aquasecurity/trivy/pkg/fanal/secret"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// TestConfig compares the image configuration's secrets with what Trivy's analyser
// (pkg/fanal/analyzer/imgconf/secret) finds: it searches the same document.
func TestConfig(t *testing.T) {
	if found, values, err := ours.Config(nil); found != nil || values != nil || err != nil {
		t.Errorf("no configuration: %v, %v, %v", found, values, err)
	}
	findings := 0
	for n, rule := range original().Rules {
		tree, err := syntax.Parse(rule.Regex.String(), syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(uint64(n), 3))
		for i := range 2 {
			cfg := document(r, i, func() string { return strings.TrimSpace(generate(r, tree)) })
			want := configOfTrivy(t, cfg)
			found, values, err := ours.Config(cfg)
			if err != nil {
				t.Fatal(err)
			}
			var got []ftypes.Secret
			if found != nil {
				got = []ftypes.Secret{*found}
			}
			if diff := differ(want, got); diff != "" {
				t.Errorf("%s (-Trivy +ours): %s", rule.ID, diff)
			}
			if found == nil {
				if values != nil {
					t.Errorf("%s: values %+v, but no findings", rule.ID, values)
				}
				continue
			}
			findings += len(found.Findings)
			known := map[string]bool{}
			for _, v := range values {
				known[fmt.Sprint(v.Rule, v.Line)] = true
			}
			for _, f := range found.Findings {
				if !known[fmt.Sprint(f.RuleID, f.StartLine)] {
					t.Errorf("%s: no value of the finding in line %d", f.RuleID, f.StartLine)
				}
			}
		}
	}
	t.Log(findings, "findings")
}

func document(r *rand.Rand, i int, secret func() string) *v1.ConfigFile {
	cfg := &v1.ConfigFile{Architecture: "amd64", OS: "linux"}
	cfg.Config.Env = []string{"PATH=/bin", "A=" + secret(), "B=" + secret() + " <x>"}
	cfg.Config.Labels = map[string]string{"a": filler(r, 20, "\n"), "b": secret()}
	cfg.History = []v1.History{{CreatedBy: "RUN x " + secret() + " && y " + secret()}, {Comment: secret()}}
	if i%2 == 1 {
		for len(cfg.History) < 300 {
			cfg.History = append(cfg.History, v1.History{CreatedBy: filler(r, 250, "\n")})
		}
		cfg.Config.Cmd = []string{secret()}
		cfg.History = append(cfg.History, v1.History{CreatedBy: secret()})
	}
	return cfg
}

func configOfTrivy(t *testing.T, cfg *v1.ConfigFile) []ftypes.Secret {
	t.Helper()
	b, err := json.MarshalIndent(cfg, "  ", "")
	if err != nil {
		t.Fatal(err)
	}
	s := original()
	found := s.Scan(trivy.ScanArgs{FilePath: "config.json", Content: bytes.NewReader(b)})
	if len(found.Findings) == 0 {
		return nil
	}
	return comparable([]ftypes.Secret{found})
}

// SPDX-License-Identifier: Apache-2.0

// Package secrets puts the search for secrets of ocigate beside Trivy's own: the same
// rules, the same findings.
package secrets

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"

	trivy "github.com/aquasecurity/trivy/pkg/fanal/secret"
)

const module = "github.com/aquasecurity/trivy"

// rules is the form of pkg/scan/secret/rules.json.
type rules struct {
	Origin       string   `json:"origin"`
	Rules        []rule   `json:"rules"`
	Allow        []allow  `json:"allow"`
	SkipPatterns []string `json:"skipPatterns"`
}

type rule struct {
	ID          string   `json:"id"`
	Category    string   `json:"category"`
	Title       string   `json:"title"`
	Severity    string   `json:"severity"`
	Regex       string   `json:"regex"`
	Keywords    []string `json:"keywords"`
	Path        string   `json:"path,omitempty"`
	SecretGroup string   `json:"secretGroup,omitempty"`
	Allow       []allow  `json:"allow,omitempty"`
}

type allow struct {
	ID    string `json:"id"`
	Regex string `json:"regex,omitempty"`
	Path  string `json:"path,omitempty"`
}

// Export is what pkg/scan/secret/rules.json must hold: the rules that are built into the
// version of Trivy that go.mod names.
func Export() ([]byte, error) {
	g := trivy.NewScanner(nil).Global
	if len(g.ExcludeBlock.Regexes) > 0 {
		return nil, fmt.Errorf("excluded blocks are not supported")
	}
	v, err := version()
	if err != nil {
		return nil, err
	}
	out := rules{Origin: module + " " + v + ", pkg/fanal/secret. Copyright Aqua Security, Apache-2.0.",
		Allow: allows(g.AllowRules), SkipPatterns: g.SkipPatterns}
	for _, r := range g.Rules {
		if len(r.ExcludeBlock.Regexes) > 0 || r.Regex == nil {
			return nil, fmt.Errorf("rule %s: excluded blocks, or no pattern, are not supported", r.ID)
		}
		out.Rules = append(out.Rules, rule{r.ID, string(r.Category), r.Title, r.Severity, source(r.Regex), r.Keywords,
			source(r.Path), r.SecretGroupName, allows(r.AllowRules)})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err = e.Encode(out)
	return b.Bytes(), err
}

func allows(as trivy.AllowRules) []allow {
	var out []allow
	for _, a := range as {
		out = append(out, allow{a.ID, source(a.Regex), source(a.Path)})
	}
	return out
}

func source(r *trivy.Regexp) string {
	if r == nil {
		return ""
	}
	return r.String()
}

// version is the one that go.mod names. A test does not know how it was built.
func version() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", module).Output()
	return strings.TrimSpace(string(out)), err
}

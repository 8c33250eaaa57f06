// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"encoding/json"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// ConfigSecret is a secret of the image configuration with its value, so that the
// caller can mask it wherever else it stands. It must not be kept.
type ConfigSecret struct {
	Rule  string
	Line  int // StartLine of the finding
	Value string
}

// ConfigSecrets are the secrets that Trivy found in the image configuration.
func (inv *Inventory) ConfigSecrets() []ConfigSecret { return inv.configSecrets }

// configSecrets takes the values out of the document that Trivy searched: it tells
// lines only, with the secret censored.
func configSecrets(cfg *v1.ConfigFile, fs []ftypes.SecretFinding) []ConfigSecret {
	if len(fs) == 0 {
		return nil
	}
	b, err := json.MarshalIndent(cfg, "  ", "") // as Trivy's analyser does
	if err != nil {
		return nil
	}
	lines := strings.Split(string(b), "\n")
	var out []ConfigSecret
	for _, f := range fs {
		for n := max(1, f.StartLine); n <= min(len(lines), f.EndLine); n++ {
			line := lines[n-1]
			values := censored(line, f.Match)
			if len(values) == 0 {
				values = jsonStrings(line) // too much rather than too little
			}
			for _, v := range values {
				out = append(out, ConfigSecret{f.RuleID, f.StartLine, unescaped(v)})
			}
		}
	}
	return out
}

// censored are the parts of a line in place of which match, a part of the same
// line, has asterisks.
func censored(line, match string) []string {
	for at := 0; at+len(match) <= len(line); at++ {
		if !covers(match, line[at:]) {
			continue
		}
		var out []string
		for i := 0; i < len(match); {
			n := len(match[i:]) - len(strings.TrimLeft(match[i:], "*"))
			if part := line[at+i : at+i+n]; strings.Trim(part, "*") != "" {
				out = append(out, part)
			}
			i += max(n, 1)
		}
		return out
	}
	return nil
}

func covers(match, line string) bool {
	for i := range len(match) {
		if match[i] != '*' && match[i] != line[i] {
			return false
		}
	}
	return match != ""
}

// jsonStrings are the strings of a line of indented JSON, keys included.
func jsonStrings(line string) []string {
	var out []string
	for rest := line; ; {
		i := strings.IndexByte(rest, '"')
		if i < 0 {
			return out
		}
		var s string
		if d := json.NewDecoder(strings.NewReader(rest[i:])); d.Decode(&s) == nil {
			rest = rest[i+int(d.InputOffset()):]
			out = append(out, s)
			continue
		}
		rest = rest[i+1:]
	}
}

func unescaped(v string) string {
	var s string
	if json.Unmarshal([]byte(`"`+v+`"`), &s) == nil {
		return s
	}
	return v
}

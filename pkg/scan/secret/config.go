// SPDX-License-Identifier: Apache-2.0

package secret

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// configPath is what Trivy calls the document of the configuration.
const configPath = "config.json"

// Value is a secret of the image configuration, so that it can be masked wherever else it
// stands. It must not be kept.
type Value struct {
	Rule string
	// Line is the StartLine of the finding.
	Line  int
	Value string
}

// Config searches the image configuration: its JSON, with a line for each value. There are
// no findings, and no values, where there is no secret.
func (s *Scanner) Config(cfg *v1.ConfigFile) (*ftypes.Secret, []Value, error) {
	if cfg == nil {
		return nil, nil, nil
	}
	// That form is Trivy's; the lines of findings count in it.
	b, err := json.MarshalIndent(cfg, "  ", "")
	if err != nil {
		return nil, nil, fmt.Errorf("image configuration as JSON: %w", err)
	}
	x, err := s.search(context.Background(), configPath)
	if err != nil {
		return nil, nil, err
	}
	defer s.done(x)
	if err := x.memory(b); err != nil {
		return nil, nil, err
	}
	return x.secret(), x.values(b), nil
}

// values are the texts of what was found. A secret of several lines has one for each.
func (x *search) values(b []byte) []Value {
	var out []Value
	for _, f := range x.found {
		for part := range strings.SplitSeq(string(b[f.start:f.end]), "\n") {
			if part != "" {
				out = append(out, Value{x.rules[f.rule].text.ID, f.line, unescaped(part)})
			}
		}
	}
	return out
}

// unescaped is what a part of a JSON string stands for.
func unescaped(v string) string {
	var s string
	if json.Unmarshal([]byte(`"`+v+`"`), &s) == nil {
		return s
	}
	return v
}

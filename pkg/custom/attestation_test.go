// SPDX-License-Identifier: Apache-2.0

package custom_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/custom"
	"github.com/ocigate/ocigate/pkg/evidence"
)

func attestation(t *testing.T, predicate string) evidence.AttestationInput {
	t.Helper()
	a := evidence.AttestationInput{
		Subject: image().Subject, PredicateType: "https://slsa.dev/provenance/v1", Authority: "release", Digest: "sha256:aa", Time: &now,
		Signer: evidence.Signer{Issuer: "https://issuer.example.com", Subject: "release.yml", Extensions: map[string]string{"buildTrigger": "push"}},
	}
	if err := json.Unmarshal([]byte(predicate), &a.Predicate); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAttestations(t *testing.T) {
	provenance := `{"version": 3, "digest": null, "severity": "CRITICAL", "runDetails": {"builder": {"id": "https://builder.example.com"}}, "materials": [{"uri": "a"}, {"uri": "b"}]}`
	for name, test := range map[string]struct {
		rego string
		want []string
	}{
		"the predicate":     {`deny contains input.predicate.materials[_].uri`, []string{"a", "b"}},
		"any field of it":   {`deny contains "x" if input.predicate.digest == null`, []string{"x"}},
		"asked for":         {`deny contains "x" if input.predicate.version`, []string{"x"}},
		"others' words":     {`deny contains "x" if input.predicate.severity == "CRITICAL"`, []string{"x"}},
		"in a function":     {"version(p) := p.versions\ndeny contains \"x\" if not version(input.predicate)", []string{"x"}},
		"what is not there": {`deny contains "x" if not input.predicate.buildDefinition.buildType`, []string{"x"}},
		"who signed":        {`deny contains concat(" ", [input.authority, input.signer.issuer, input.signer.subject, input.signer.extensions.buildTrigger])`, []string{"release https://issuer.example.com release.yml push"}},
		"no extension":      {`deny contains "x" if not input.signer.extensions.sourceRepositoryURI`, []string{"x"}},
		"no key":            {`deny contains "x" if input.signer.key == ""`, []string{"x"}},
		"the subject":       {`deny contains "x" if input.subject.digest == input.digest`, []string{"x"}},
		"the time":          {`deny contains "x" if time.parse_rfc3339_ns(input.time) == time.now_ns()`, []string{"x"}},
		"the type":          {`deny contains input.predicateType`, []string{"https://slsa.dev/provenance/v1"}},
		"nothing":           {`deny contains "x" if input.predicate.version > 3`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := custom.CompileAttestation(t.Context(), []custom.Source{{Name: "a.rego", Data: []byte("package ocigate\n" + test.rego)}})
			if err != nil {
				t.Fatal(err)
			}
			in, err := custom.NewAttestationInput(attestation(t, provenance))
			if err != nil {
				t.Fatal(err)
			}
			result := r.Evaluate(t.Context(), in, now, custom.DefaultTimeout)
			var got []string
			for _, m := range result.Deny {
				got = append(got, m.Message)
			}
			if diff := cmp.Diff(test.want, got); diff != "" || result.Problem != "" {
				t.Errorf("%s%s", result.Problem, diff)
			}
		})
	}
}

func TestAttestationMistakes(t *testing.T) {
	for name, test := range map[string]struct{ rego, want string }{
		"a field of the evidence":       {`deny contains "x" if some f in input.findings`, "undefined ref: input.findings"},
		"a misspelt field":              {`deny contains "x" if input.predicat.a == 1`, "did you mean predicate?"},
		"a misspelt field of a signer":  {`deny contains "x" if input.signer.isuer != "a"`, "did you mean issuer?"},
		"a misspelt field of a subject": {`deny contains "x" if input.subject.digset != "a"`, "did you mean digest?"},
		"always there":                  {`deny contains "x" if input.authority`, "the field authority is always there"},
		"the network":                   {`deny contains "x" if http.send({"url": input.predicate.url}).status_code == 200`, "undefined function http.send"},
		"the machine's time zone":       {`deny contains "x" if time.clock([time.now_ns(), "Local"])[0] > 3`, "time zone"},
		"another package":               {"package attestation\ndeny contains \"x\"", "begin the file with: package ocigate"},
		"warn":                          {`warn contains "x" if input.predicate.a == 1`, "write deny"},
		"warn beside deny":              {"deny contains \"x\" if input.predicate.a == 1\nwarn contains \"x\" if input.predicate.a == 2", "write deny"},
		"no deny":                       {`violation contains "x"`, "neither deny nor warn is defined"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.HasPrefix(test.rego, "package") {
				test.rego = "package ocigate\n" + test.rego
			}
			_, err := custom.CompileAttestation(t.Context(), []custom.Source{{Name: "a.rego", Data: []byte(test.rego)}})
			var mistakes *custom.Error
			if !errors.As(err, &mistakes) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

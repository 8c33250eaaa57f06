// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func TestReadJSON(t *testing.T) {
	for name, v := range verdicts() {
		var b, again bytes.Buffer
		if err := report.JSON(&b, v, options); err != nil {
			t.Fatal(err)
		}
		got, err := report.ReadJSON(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := report.JSON(&again, got, options); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b.String(), again.String()); diff != "" {
			t.Errorf("%s does not come back as it was:\n%s", name, diff)
		}
		if name == "hostile" {
			continue // bytes that are no text do not survive JSON
		}
		if diff := cmp.Diff(v, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s does not come back as it was:\n%s", name, diff)
		}
	}
}

func TestReadJSONRefuses(t *testing.T) {
	var b bytes.Buffer
	if err := report.JSON(&b, verdicts()["passed"], options); err != nil {
		t.Fatal(err)
	}
	good := b.String()
	for name, c := range map[string]struct{ data, want string }{
		"nothing":         {"", "unexpected end"},
		"not JSON":        {"PASSED", "invalid"},
		"another file":    {`{"results": []}`, "not a JSON report of ocigate"},
		"a list":          {"[]", "read verdict"},
		"another tool":    {strings.Replace(good, `"name": "ocigate"`, `"name": "trivy"`, 1), "not a JSON report"},
		"a later version": {strings.Replace(good, `"schemaVersion": 1`, `"schemaVersion": 2`, 1), "schema version 2"},
		"a new field":     {strings.Replace(good, `"status"`, `"mood": 1, "status"`, 1), "mood"},
		"a deep field":    {strings.Replace(good, `"family"`, `"familly"`, 1), "familly"},
		"no status":       {strings.Replace(good, `"status": "PASSED"`, `"status": ""`, 1), "status"},
		"another status":  {strings.Replace(good, `"status": "PASSED"`, `"status": "GREEN"`, 1), "status"},
		"cut off":         {good[:len(good)/2], "unexpected"},
		"more behind":     {good + good, "after top-level value"},
	} {
		v, err := report.ReadJSON(strings.NewReader(c.data))
		if err == nil || !strings.Contains(err.Error(), c.want) || v.ExitCode() != verdict.ExitErrored {
			t.Errorf("%s: %v, exit code %d; want %q", name, err, v.ExitCode(), c.want)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestReadJSONIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("takes memory")
	}
	if _, err := report.ReadJSON(endless{}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
}

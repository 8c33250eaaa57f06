// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/report"
)

// FuzzReadJSON: a verdict that anybody wrote is refused, or can be explained and written
// in every form, and no line of it speaks to a terminal or a CI system.
func FuzzReadJSON(f *testing.F) {
	for _, name := range []string{"failed.json", "hostile.json", "waived.json", "error.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "no-critical")
	}
	f.Fuzz(func(t *testing.T, data []byte, id string) {
		v, err := report.ReadJSON(bytes.NewReader(data))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if e, err := report.Explain(v, id); err == nil {
			if err := report.ExplainText(&out, e, report.Options{}); err != nil {
				t.Error(err)
			}
		}
		if err := report.Runtime(&out, v, report.Options{}); err != nil {
			t.Error(err)
		}
		if err := report.Text(&out, v, report.Options{}); err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(out.String()) {
			if strings.HasPrefix(line, "::") || strings.HasPrefix(line, "##[") || strings.ContainsAny(line, "\x1b\r\x07\u202e\u2066") {
				t.Errorf("%q", line)
			}
		}
		if err := report.JSON(io.Discard, v, report.Options{}); err != nil {
			t.Error(err)
		}
	})
}

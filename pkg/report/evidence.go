// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// Evidence writes what the verdict was made of, without the decision: what custom
// rules see and `policy test` reads. It has a published schema.
func Evidence(w io.Writer, v verdict.Verdict, _ Options) error {
	doc := evidence.Document{
		SchemaVersion: evidence.DocumentVersion, EffectiveTime: v.EffectiveTime, Reference: v.Reference,
		NotExamined: v.NotExamined, Problems: v.Problems,
	}
	for _, s := range v.Subjects {
		doc.Evidence = append(doc.Evidence, s.Evidence)
	}
	data, err := doc.MarshalJSON()
	if err != nil {
		return fmt.Errorf("write the evidence: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		return fmt.Errorf("write the evidence: %w", err)
	}
	b.WriteByte('\n')
	if _, err := w.Write(visible(b.Bytes())); err != nil {
		return fmt.Errorf("write the evidence: %w", err)
	}
	return nil
}

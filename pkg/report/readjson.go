// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/ocigate/ocigate/pkg/verdict"
)

// maxJSON is the greatest size of a JSON report that ReadJSON takes, in bytes.
const maxJSON = 256 << 20

// ReadJSON reads a verdict back from what JSON wrote. It refuses what is too large,
// of another version, cut off, or has fields that this version does not know: a
// half-understood verdict is none.
func ReadJSON(r io.Reader) (verdict.Verdict, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxJSON+1))
	if err != nil {
		return verdict.Verdict{}, fmt.Errorf("read verdict: %w", err)
	}
	if len(data) > maxJSON {
		return verdict.Verdict{}, fmt.Errorf("read verdict: it has more than %d bytes", maxJSON)
	}
	// The version first: with another one, what else is wrong does not matter.
	var head struct {
		SchemaVersion int  `json:"schemaVersion"`
		Tool          tool `json:"tool"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return verdict.Verdict{}, fmt.Errorf("read verdict: %w", err)
	}
	switch {
	case head.SchemaVersion == 0 || head.Tool.Name != "ocigate":
		return verdict.Verdict{}, errors.New("read verdict: this is not a JSON report of ocigate")
	case head.SchemaVersion != SchemaVersion:
		return verdict.Verdict{}, fmt.Errorf("read verdict: it is of schema version %d, and this ocigate reads %d", head.SchemaVersion, SchemaVersion)
	}
	var doc document
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return verdict.Verdict{}, fmt.Errorf("read verdict: %w", err)
	}
	switch doc.Status {
	case verdict.Passed, verdict.Failed, verdict.Errored:
		return doc.Verdict, nil
	default:
		return verdict.Verdict{}, fmt.Errorf("read verdict: the status is none of %s, %s, %s", verdict.Passed, verdict.Failed, verdict.Errored)
	}
}

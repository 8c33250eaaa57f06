// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"io"
)

const (
	// maxDepth is how deep JSON may nest.
	maxDepth = 128
	// maxSmall is the number of values in what is small by nature: manifests, bundles,
	// envelopes, simple signing payloads; maxStatement is that of a signed statement, which
	// may be an SBOM.
	maxSmall     = 10_000
	maxManifests = 200_000
	maxStatement = 1_000_000
	// maxStatements is the number of values in all statements of one artifact.
	maxStatements = 5_000_000
)

// wellFormed says what is wrong with JSON that a stranger wrote, without keeping any of
// it. Parsers that build values get only what passed: a few bytes per value would be
// hundreds in memory, and of two members with one name each parser might believe another.
func wellFormed(b []byte, maxValues int) error {
	_, err := countValues(b, maxValues)
	return err
}

// countValues is wellFormed, and counts.
func countValues(b []byte, maxValues int) (int, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(b))
	for n := 0; ; n++ {
		_, err := d.ReadToken()
		switch {
		case errors.Is(err, io.EOF) && n > 0 && d.StackDepth() == 0:
			return n, nil
		case err != nil:
			return n, fmt.Errorf("is not valid JSON: %s", shorten(oneLine(err.Error()), maxValue))
		case n > 0 && d.StackDepth() == 0 && d.InputOffset() < int64(len(bytes.TrimRight(b, " \t\r\n"))):
			return n, errors.New("is more than one JSON value")
		case d.StackDepth() > maxDepth:
			return n, fmt.Errorf("is JSON that nests deeper than %d", maxDepth)
		case n > maxValues:
			return n, fmt.Errorf("is JSON of more than %d values", maxValues)
		}
	}
}

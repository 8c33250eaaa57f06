// SPDX-License-Identifier: Apache-2.0

// Package yamldoc reads YAML that anybody may have written.
package yamldoc

import (
	"bytes"
	"errors"
	"io"

	"go.yaml.in/yaml/v3"
)

// Decode reads the first document. The second result is the start of a second
// document, or nil. The error is io.EOF where there is no document.
func Decode(data []byte) (first, second *yaml.Node, err error) {
	// The library panics where it finds itself in a state that it holds for
	// impossible; for a caller that is one more way of being malformed.
	defer func() {
		if r := recover(); r != nil {
			first, second, err = nil, nil, errors.New("not valid YAML")
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(data))
	first, second = new(yaml.Node), new(yaml.Node)
	if err := d.Decode(first); err != nil {
		return nil, nil, err
	}
	switch err := d.Decode(second); {
	case errors.Is(err, io.EOF):
		return first, nil, nil
	case err != nil:
		return first, nil, err
	default:
		return first, second, nil
	}
}

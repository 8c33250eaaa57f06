// SPDX-License-Identifier: Apache-2.0

package yamldoc

import (
	"errors"
	"io"
	"testing"
)

func TestDecode(t *testing.T) {
	for data, want := range map[string][2]bool{ // is there a first, a second document?
		"": {}, "# nothing\n": {}, "a: [": {}, "a: b\n": {true, false}, "a: b\n---\nc: d\n": {true, true}, "a: b\n---\nc: [": {true, false},
	} {
		first, second, err := Decode([]byte(data))
		if (first != nil) != want[0] || (second != nil) != want[1] || first == nil && err == nil {
			t.Errorf("%q: %v, %v, %v", data, first, second, err)
		}
	}
	if _, _, err := Decode(nil); !errors.Is(err, io.EOF) {
		t.Errorf("nothing: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("a: b\n---\n- ? c\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, second, err := Decode(data)
		if first == nil && err == nil || first == nil && second != nil || first != nil && len(first.Content) != 1 || second != nil && len(second.Content) != 1 {
			t.Errorf("%v, %v, %v", first, second, err)
		}
	})
}

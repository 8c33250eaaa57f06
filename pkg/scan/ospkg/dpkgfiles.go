// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"bufio"
	"bytes"
	"slices"
	"strings"
)

// parseMD5Sums reads deb-md5sums(5): a digest, two spaces and a path on each line. It
// is false for anything else. The paths get a leading slash and are sorted. The error
// is for more than what is left.
func parseMD5Sums(data []byte, left *allowance) (files []string, ok bool, err error) {
	if err := left.take(bytes.Count(data, []byte("\n"))+1, len(data)); err != nil {
		return nil, false, err
	}
	names := make([][]byte, 0, bytes.Count(data, []byte("\n"))+1)
	size := 0
	for len(data) > 0 {
		line, rest := data, []byte(nil)
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			line, rest = data[:i], data[i+1:]
		}
		if len(line) >= bufio.MaxScanTokenSize { // where Trivy gives up
			return nil, false, nil
		}
		_, name, found := bytes.Cut(bytes.TrimSuffix(line, []byte("\r")), []byte("  "))
		if !found {
			return nil, false, nil
		}
		names, size = append(names, name), size+1+len(name)
		data = rest
	}
	if len(names) == 0 {
		return nil, true, nil
	}
	// One string holds them all.
	var b strings.Builder
	b.Grow(size)
	for _, n := range names {
		b.WriteByte('/')
		b.Write(n)
	}
	all := b.String()
	files = make([]string, len(names))
	for i, n := range names {
		files[i], all = all[:1+len(n)], all[1+len(n):]
	}
	slices.Sort(files)
	return files, true, nil
}

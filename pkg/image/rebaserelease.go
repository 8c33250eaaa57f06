// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"io"
	"slices"
	"strings"
)

// Distribution is what an image's os-release says of itself; both empty if it has none.
type Distribution struct{ ID, Version string }

func (d Distribution) String() string {
	switch {
	case d.ID == "":
		return "of no known distribution"
	case d.Version == "":
		return d.ID
	}
	return d.ID + " " + d.Version
}

// branch is the part of the version within which programs can be expected to run on.
func (d Distribution) branch() string {
	parts := strings.Split(d.Version, ".")
	n := 1
	if slices.Contains([]string{"alpine", "ubuntu"}, d.ID) {
		n = 2
	}
	return strings.Join(parts[:min(n, len(parts))], ".")
}

// releaseFiles are what systems read, in this order.
func releaseFiles() []string { return []string{"etc/os-release", "usr/lib/os-release"} }

// readRelease remembers a file; what is no file, such as a link to the other one, is
// none.
func (b *baseSurvey) readRelease(h *tar.Header, name string, r io.Reader) error {
	delete(b.releases, name)
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	text, err := readLimited(r, name, 64<<10)
	b.releases[name] = string(text)
	return err
}

func (b *baseSurvey) distribution() Distribution {
	for _, name := range releaseFiles() {
		if text, ok := b.releases[name]; ok {
			return parseRelease(text)
		}
	}
	return Distribution{}
}

func parseRelease(text string) Distribution {
	var d Distribution
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = claimText(strings.Trim(value, `"'`))
		switch key {
		case "ID":
			d.ID = strings.ToLower(value)
		case "VERSION_ID":
			d.Version = value
		}
	}
	return d
}

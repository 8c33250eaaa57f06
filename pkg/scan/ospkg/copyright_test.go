// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"bufio"
	"bytes"
	"fmt"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/licensing"
)

func TestCopyright(t *testing.T) {
	a := dpkgLicenses()[0]
	for file, want := range map[string][]string{
		"license-pattern-and-classifier-copyright": {"GPL-1.0-or-later", "Artistic-2.0", "BSD-4-clause-POWERDOG", "Zlib"},
		"common-license-copyright":                 {"GPL-2.0-only"},
		"all-patterns-copyright":                   {"GPL-2.0-or-later", "GPL-2.0-only"},
		"no-license-copyright":                     nil,
	} {
		res, err := a.Analyze(t.Context(), inMemory("usr/share/doc/zlib1g/copyright", trivyTestdata(t, "pkg/dpkg/testdata", file)))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if want == nil {
			if res != nil {
				t.Errorf("%s: %+v", file, res)
			}
			continue
		}
		l := res.Licenses[0]
		var got []string
		for _, f := range l.Findings {
			got = append(got, f.Name)
		}
		if !slices.Equal(got, want) || l.PkgName != "zlib1g" || l.FilePath != "usr/share/doc/zlib1g/copyright" || l.Type != ftypes.LicenseTypeDpkg {
			t.Errorf("%s: %+v, want %q", file, l, want)
		}
	}
}

func TestCopyrightFiles(t *testing.T) {
	for _, name := range []string{"usr/share/doc/eject/copyright", "usr/share/doc/a/examples/copyright", "usr/share/doc/eject/copyright/file",
		"usr/share/doc/copyright", "usr/share/doc/a/copyright2", "usr/share/doc/\xff/copyright", "share/doc/a/copyright", ""} {
		want, err := path.Match("usr/share/doc/*/copyright", name)
		if got := documented(name) != ""; got != want || err != nil {
			t.Errorf("%s: %t, want %t", name, got, want)
		}
	}
}

var commonLicenceRegexp = regexp.MustCompile(`/?usr/share/common-licenses/([0-9A-Za-z_.+-]+[0-9A-Za-z+])`)

// slowLicences finds licences line by line, as Trivy describes it.
func slowLicences(data []byte) []string {
	var all []string
	s := bufio.NewScanner(bytes.NewReader(data))
	for s.Scan() {
		line := s.Text()
		switch {
		case strings.HasPrefix(line, "License:"):
			l, _, _ := strings.Cut(strings.TrimSpace(line[len("License:"):]), "(")
			l = strings.TrimPrefix(l, "The main library is licensed under ")
			all = append(all, licensing.SplitLicenses(strings.TrimSpace(strings.TrimSuffix(l, " license")))...)
		case strings.Contains(line, "/usr/share/common-licenses/"):
			if m := commonLicenceRegexp.FindStringSubmatch(line); m != nil {
				all = append(all, m[1])
			}
		}
	}
	var out []string
	for _, l := range licensing.NormalizeLicenses(all) {
		if !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

// Trivy stops at a line of 64 KiB; what follows is read here.
func TestLongLineOfCopyright(t *testing.T) {
	text := "License: MIT\n" + strings.Repeat("x", 100_000) + "\nLicense: Zlib\n"
	if got := licencesOf([]byte(text), &licenceNames{}); !slices.Equal(got, []string{"MIT", "Zlib"}) {
		t.Errorf("got %q", got)
	}
}

func TestLicenceNamesAreBounded(t *testing.T) {
	var n licenceNames
	for i := range 2 * maxKnownNames {
		n.of(fmt.Appendf(nil, "Licence-%d", i))
	}
	n.of(bytes.Repeat([]byte("x"), maxKnownName+1))
	if len(n.known) > maxKnownNames {
		t.Errorf("%d names are kept", len(n.known))
	}
}

func FuzzCopyright(f *testing.F) {
	for _, s := range []string{"License: GPL-2+ or Artistic, and BSD\nLicense:\n License: x\nLicense: MIT license (x)\r\n",
		"see usr/share/common-licenses/GPL-2. or /usr/share/common-licenses/LGPL-2.1+.\n/usr/share/common-licenses/_.\n",
		"License: see /usr/share/common-licenses/GPL-3\n/usr/share/common-licenses/GPL-3\nxLicense: a\nLicense:",
		"/usr/share/common-licenses/a usr/share/common-licenses//usr/share/common-licenses/BSD\nLicense: permission is hereby granted; x\n",
		"License: LGPLv3+_or_GPLv2+\nLicense: GNU Lesser General Public License v2 or later (LGPLv2+)"} {
		f.Add([]byte(s))
	}
	names := &licenceNames{}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= bufio.MaxScanTokenSize {
			return
		}
		if got, want := licencesOf(b, names), slowLicences(b); !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func BenchmarkCopyright(b *testing.B) {
	a := dpkgLicenses()[0]
	var text strings.Builder
	for i := range 40 {
		fmt.Fprintf(&text, "Files: src/%d/*\nCopyright: 2001-2020 Somebody <x@example.org>\nLicense: %s\n%s\n", i,
			[]string{"GPL-2+", "LGPL-2.1+", "Expat", "GPL-1+ or Artistic"}[i%4], strings.Repeat(" This text goes on and on and says what may be done.\n", 20))
	}
	text.WriteString(" see /usr/share/common-licenses/GPL-2.\n")
	f := inMemory("usr/share/doc/a/copyright", []byte(text.String()))
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Analyze(b.Context(), f); err != nil {
			b.Fatal(err)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFileGlobs(t *testing.T) {
	l := loader{
		"owner": document("owner", "rules: {files: [{id: a, forbidden: [/etc/x, '**/*.pem'], hidden: ['/build/**']}]}\n"),
		"child": document("child", `
rules: {files: [{id: b, forbidden: [etc/x, opt/y], setuid: [/bin/su]}]}
images: [{match: [team/**], rules: {files: [{id: c, forbidden: [/only/here]}]}}]
`),
	}
	p, err := load(t, l, "child", "owner")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"**/*.pem", "etc/x", "only/here", "opt/y"}, p.FileGlobs()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"build/**"}, p.HiddenFileGlobs()); diff != "" {
		t.Error(diff)
	}
}

// TestFilesAndLayersTighten tries each key below an enforced policy.
func TestFilesAndLayersTighten(t *testing.T) {
	cases := []struct {
		group, enforced, mine string
		ok                    bool
	}{
		{"files", "setuid: [/bin/su, /bin/mount]", "setuid: [/bin/su]", true},
		{"files", "setuid: [/bin/su]", "setuid: forbidden", true},
		{"files", "setuid: [/bin/su]", "setuid: [/bin/su, /bin/mount]", false},
		{"files", "setuid: [/bin/su]", "setuid: ['/bin/**']", false},
		{"files", "setuid: forbidden", "setuid: [/bin/su]", false},
		{"files", "setuid: [/bin/su]", "setgid: forbidden", true},
		{"files", "setuid: [/bin/su]", "setgid: [/bin/wall]", false},
		{"files", "setuid: [/bin/su]", "setgid: allowed", false},
		{"files", "setuid: forbidden, capabilities: allowed", "capabilities: [/bin/ping]", true},
		{"files", "setuid: forbidden, capabilities: [/bin/ping]", "capabilities: allowed", false},
		{"files", "setuid: forbidden, capabilities: [/bin/ping]", "capabilities: forbidden", true},
		{"files", "setgid: forbidden", "setuid: [/bin/su]", true},
		{"files", "setgid: forbidden", "world-writable: [/tmp/x]", true},
		{"files", "world-writable: forbidden", "world-writable: [/tmp/x]", false},
		{"files", "devices: [/dev/null, /dev/zero]", "devices: [/dev/null]", true},
		{"files", "forbidden: [/a]", "forbidden: [/a, /b]", true},
		{"files", "forbidden: [/a, /b]", "forbidden: [/a]", false},
		{"files", "forbidden: [/a]", "forbidden: ['/**']", false},
		{"files", "forbidden: ['/a/**']", "except: [/a/b]", false},
		{"files", "forbidden: ['/a/**'], except: [/a/b, /a/c]", "except: [/a/b]", true},
		{"files", "forbidden-classes: [shell]", "forbidden-classes: [shell, cache]", true},
		{"files", "forbidden-classes: [shell, cache]", "forbidden-classes: [cache]", false},
		{"files", "hidden: [/a]", "hidden: [/b]", false},
		{"files", "hidden: [/a]", "max-hidden-size: 5MiB", true},
		{"files", "max-hidden-size: 5MiB", "max-hidden-size: 6MiB", false},
		{"layers", "max-count: 10", "max-count: 9", true},
		{"layers", "max-count: 10", "max-count: 11", false},
		{"layers", "max-size: 1GiB", "max-size: 1000MiB", true},
		{"layers", "max-size: 1GB", "max-size: 1GiB", false},
		{"layers", "max-count: 10", "max-layer-size: 1MiB", true},
		{"layers", "max-layer-size: 1MiB", "max-layer-size: 2MiB", false},
		{"layers", "max-compressed-size: 1MiB", "max-compressed-size: 2MiB", false},
		{"layers", "max-wasted: 10%", "max-wasted: 5%", true},
		{"layers", "max-wasted: 10%", "max-wasted: 11%", false},
		{"layers", "max-wasted: 10%", "max-wasted: 1B", false},
		{"layers", "max-wasted: 10MiB", "max-wasted: 9%", false},
		{"layers", "max-growth: 5%", "max-growth: 4%", true},
		{"layers", "max-growth: 5MiB", "max-growth: 6MiB", false},
		{"layers", "max-count: 10", "build-cache-order: required", true},
	}
	for _, c := range cases {
		doc := func(name, keys string) string {
			return document(name, "rules: {"+c.group+": [{id: r, "+keys+"}]}\n")
		}
		_, err := load(t, loader{"owner": doc("owner", c.enforced), "mine": doc("mine", c.mine)}, "mine", "owner")
		if c.ok != (err == nil) || err != nil && !strings.Contains(err.Error(), "loosens") {
			t.Errorf("%s: {%s} below {%s}: %v", c.group, c.mine, c.enforced, err)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// packageJSONText is as large as most: 2 KiB.
func packageJSONText(i int) []byte {
	return fmt.Appendf(nil, `{
  "name": "package-%d",
  "version": "1.%[1]d.0",
  "description": "%s",
  "license": "MIT",
  "repository": {"type": "git", "url": "git+https://example.com/package-%[1]d.git"},
  "keywords": ["one", "two", "three", "four"],
  "scripts": {"test": "mocha", "build": "tsc -p .", "lint": "eslint ."},
  "exports": {".": {"import": "./index.mjs", "require": "./index.js"}, "./package.json": "./package.json"},
  "dependencies": {"debug": "^4.0.0", "ms": "2.1.2", "semver": "^7.0.0", "lru-cache": "^6.0.0"},
  "devDependencies": {"mocha": "^5.2.0", "typescript": "^5.0.0", "eslint": "^8.0.0", "@types/node": "^20.0.0"},
  "files": ["index.js", "index.mjs", "lib"]
}
`, i, strings.Repeat("a description of some length, ", 40))
}

func BenchmarkPackageJSON10000(b *testing.B) {
	files := make([][]byte, 10_000)
	for i := range files {
		files[i] = packageJSONText(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, f := range files {
			if res, err := packageJSON(context.Background(), inMemory("a/package.json", f)); err != nil || res == nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkPython1000(b *testing.B) {
	text := trivyData(b, pythonTestdata+"happy-dist/distlib-0.3.1.dist-info/METADATA")
	files := map[string][]byte{}
	for i := range 1000 {
		for _, n := range []string{"METADATA", "RECORD", "WHEEL", "top_level.txt"} {
			files[fmt.Sprintf("lib/python3/site-packages/p%d.dist-info/%s", i, n)] = text
		}
	}
	all := storedFiles(files)
	b.ReportAllocs()
	for b.Loop() {
		if res, _ := analyzePost(b, python()[0], all); len(res.Applications) != 1000 {
			b.Fatal("lost some")
		}
	}
}

// BenchmarkWants asks as often as an image of 60,000 files does.
func BenchmarkWants(b *testing.B) {
	paths := []string{"usr/lib/python3/dist-packages/pip/_internal/cli/main.py", "usr/share/doc/libssl3/changelog.Debian.gz",
		"app/node_modules/lodash/fp/_convertBrowser.js", "usr/bin/openssl"}
	analyzers, posts := Analyzers(), append(PostAnalyzers(), Jar(nil))
	info := fakeInfo{"x", 1, 0o644}
	b.ReportAllocs()
	for b.Loop() {
		for i := range 60_000 {
			for _, a := range analyzers {
				a.Wants(paths[i%4], info)
			}
			for _, a := range posts {
				a.Wants(paths[i%4], info)
			}
		}
	}
}

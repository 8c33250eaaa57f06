// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"
)

func TestPlace(t *testing.T) {
	const trivy = "github.com/aquasecurity/trivy/pkg/"
	const own = "github.com/ocigate/ocigate/pkg/"
	for want, s := range map[string]stack{
		"garbage collector":            {"runtime.scanobject", "runtime.gcDrain", "runtime.gcBgMarkWorker.func2", "runtime.gcBgMarkWorker"},
		"system calls":                 {"internal/runtime/syscall/linux.Syscall6", "syscall.read", "os.(*File).Read", own + "image.(*archive).read"},
		"hash":                         {"crypto/internal/fips140/sha256.blockSHANI", "crypto/sha256.(*digest).Write", own + "image.(*hashedReader).Read"},
		"inflate":                      {"github.com/klauspost/compress/flate.(*decompressor).huffmanBytesReader", own + "image.(*verifiedReader).Read"},
		"parsers: Java":                {"compress/flate.(*decompressor).huffSym", "archive/zip.(*checksumReader).Read", trivy + "dependency/parser/java/jar.(*Parser).parseArtifact"},
		"parsers: Go":                  {"debug/elf.NewFile", own + "scan/langpkg.(*gobinary).Analyze", own + "scan.(*pass).file"},
		"parsers: dpkg":                {"bufio.(*Scanner).Scan", own + "scan/ospkg.(*dpkg).Analyze"},
		"secrets: rules":               {"regexp.(*machine).step", "regexp.(*Regexp).FindAllIndex", trivy + "fanal/secret.(*Scanner).Scan"},
		"secrets: filter":              {"bytes.Index", own + "scan/secret.(*filter).search"},
		"which analyser wants a file":  {"path.Base", trivy + "fanal/analyzer/pkg/dpkg.dpkgAnalyzer.Required", own + "scan.(*pass).file"},
		"tar":                          {"archive/tar.(*parser).parseNumeric", "archive/tar.(*Reader).Next", own + "scan.(*pass).run"},
		"matching":                     {"go.etcd.io/bbolt.(*Cursor).seek", trivy + "detector/library.Detect", own + "scan.(*Scanner).Match"},
		"layers on top of each other":  {"runtime.mapassign", own + "scan/apply.Layers"},
		"runtime (scheduler, copying)": {"runtime.futex", "runtime.mcall"},
		"rest":                         {"encoding/json.Marshal", "main.main"},
	} {
		if got := place(s); got != want {
			t.Errorf("%s is called %q, want %q", s, got, want)
		}
	}
}

func TestParseInits(t *testing.T) {
	got := parseInits("SCHED\ninit internal/bytealg @0.008 ms, 0 ms clock, 0 bytes, 0 allocs\ninit a.b/c @1.2 ms, 0.25 ms clock, 544 bytes, 4 allocs\nocigate devel\n")
	want := initialised{"a.b/c", 250 * time.Microsecond, 544, 4}
	if len(got) != 2 || got[1] != want {
		t.Errorf("%+v", got)
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import "strings"

// stack are the names of the functions of a sample, innermost first.
type stack []string

// has says whether a function's name contains one of the texts.
func (s stack) has(texts ...string) bool {
	for _, f := range s {
		for _, t := range texts {
			if strings.Contains(f, t) {
				return true
			}
		}
	}
	return false
}

// in says whether the innermost function's name begins with one of the texts.
func (s stack) in(texts ...string) bool {
	for _, t := range texts {
		if len(s) > 0 && strings.HasPrefix(s[0], t) {
			return true
		}
	}
	return false
}

const (
	ours   = "ocigate/pkg/"
	theirs = "aquasecurity/trivy/pkg/"
	rest   = "rest"
)

// place names where a sample was taken. The order matters: what the runtime and the
// kernel do is theirs whoever asked for it; inflating and hashing come next.
func place(s stack) string {
	switch {
	case s.has("runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.bgsweep", "runtime.bgscavenge", "runtime.gcStart", "runtime.gcMarkTermination"):
		return "garbage collector"
	case s.in("internal/runtime/syscall", "syscall.RawSyscall", "runtime.madvise", "runtime.sysMmap", "runtime.munmap"):
		return "system calls"
	case s.has("runtime.doInit"):
		return "start of the process"
	case s.has("crypto/sha256.", "fips140/sha256.", "sha256-simd"):
		return "hash"
	case s.has("/fanal/secret.", "/fanal/analyzer/secret.", ours+"scan/secret"):
		if s.has("regexp.") {
			return "secrets: rules"
		}
		return "secrets: filter"
	case s.has("licenseclassifier", theirs+"licensing"):
		return "licences"
	case s.has(".Required", ".Wants"):
		return "which analyser wants a file"
	case isParser(s):
		return "parsers: " + ecosystem(s)
	case s.has("compress/flate", "compress/gzip", "klauspost/compress", "inflate."):
		return "inflate"
	case s.has("archive/tar."):
		return "tar"
	case s.has(theirs+"detector", theirs+"vulnerability", theirs+"scan/", "trivy-db/pkg", "bbolt", theirs+"result"):
		return "matching"
	case s.has(theirs+"fanal/applier", theirs+"fanal/handler", ours+"scan/apply"):
		return "layers on top of each other"
	case s.has(ours + "report"):
		return "report"
	case s.has(ours+"gate", ours+"verdict", ours+"policy") && !s.has(ours+"scan", ours+"image"):
		return "policy and verdict"
	case s.has(ours + "scan"):
		return "pass over the layers"
	case s.has(ours + "image"):
		return "reading the image"
	case s.in("runtime."):
		return "runtime (scheduler, copying)"
	}
	return rest
}

func isParser(s stack) bool {
	return s.has(theirs+"dependency/parser", theirs+"fanal/analyzer/language", theirs+"fanal/analyzer/pkg", theirs+"fanal/analyzer/os",
		theirs+"fanal/analyzer/buildinfo", theirs+"fanal/analyzer/sbom", ours+"scan/langpkg", ours+"scan/ospkg")
}

// ecosystems are recognised by the names of packages, types and functions; the first that fits.
var ecosystems = [][]string{
	{"Go", "gobinary", "golang", "buildinfo.", "debug/gosym"},
	{"Rust", "rust", "cargo"},
	{"Java", "jar", "java", "trivy-java-db"},
	{"npm", "node", "npm", "packagejson"},
	{"Python", "python", "egg", "wheel", "packaging"},
	{"apk", "apk"},
	{"dpkg", "dpkg", "debian"},
	{"rpm", "rpm"},
	{".NET", "nuget", "dotnet"},
}

func ecosystem(s stack) string {
	for _, f := range s {
		f = strings.ToLower(f[strings.LastIndexByte(f, '/')+1:])
		for _, e := range ecosystems {
			if (stack{f}).has(e[1:]...) {
				return e[0]
			}
		}
	}
	return "others"
}

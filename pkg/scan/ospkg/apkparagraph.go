// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"

	"github.com/aquasecurity/trivy/pkg/digest"
	apkversion "github.com/knqyf263/go-apk-version"
)

// apkParagraph is the paragraph that is being read. Its memory is used again for
// the next.
type apkParagraph struct {
	any bool // there is a line in it

	name, version         []byte
	origin, originVersion []byte
	arch, maintainer      []byte
	licence               []byte
	depends, provides     []byte
	digest                digest.Digest
	hasOrigin, badVersion bool

	// paths are the paths of the files, one after the other.
	paths    []byte
	pathEnds []int
}

func (p *apkParagraph) reset() {
	*p = apkParagraph{
		name: p.name[:0], version: p.version[:0], origin: p.origin[:0], originVersion: p.originVersion[:0],
		arch: p.arch[:0], maintainer: p.maintainer[:0], licence: p.licence[:0],
		depends: p.depends[:0], provides: p.provides[:0], paths: p.paths[:0], pathEnds: p.pathEnds[:0],
	}
}

// size is what the paragraph's texts take, in bytes, without those of files.
func (p *apkParagraph) size() int {
	return len(p.name) + len(p.version) + len(p.origin) + len(p.originVersion) + len(p.arch) + len(p.maintainer) +
		len(p.depends) + len(p.digest)
}

func (p *apkParagraph) setVersion(v []byte) {
	if !isPlainVersion(v) && !apkversion.Valid(string(v)) {
		p.badVersion = true
		return
	}
	p.version = append(p.version[:0], v...)
}

// isPlainVersion says that v is digits in parts between dots, and a revision: most
// versions are, and for those nothing has to be allocated to know them for valid.
func isPlainVersion(v []byte) bool {
	rest := v
	for {
		n := countDigits(rest)
		if n == 0 || n > 9 {
			return false
		}
		rest = rest[n:]
		if len(rest) == 0 || rest[0] != '.' {
			break
		}
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return true
	}
	rest, ok := bytes.CutPrefix(rest, []byte("-r"))
	n := countDigits(rest)
	return ok && n > 0 && n <= 9 && n == len(rest)
}

func countDigits(b []byte) int {
	for i, c := range b {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(b)
}

// setDigest takes the package's checksum: base64 of SHA-1 after Q1, else of MD5. What
// is neither leaves the digest that was there, as in Trivy: nothing is matched by it.
func (p *apkParagraph) setDigest(v []byte) {
	alg := digest.MD5
	if rest, ok := bytes.CutPrefix(v, []byte("Q1")); ok {
		alg, v = digest.SHA1, rest
	}
	var raw [64]byte
	sum, err := base64.StdEncoding.AppendDecode(raw[:0], v)
	if err != nil {
		return
	}
	var text [160]byte
	p.digest = digest.Digest(hex.AppendEncode(append(append(text[:0], alg...), ':'), sum))
}

// isCleanPath says that p is a path that path.Clean would return and that neither is
// the root nor leads upwards.
func isCleanPath(p []byte) bool {
	for len(p) > 0 {
		elem, rest, more := bytes.Cut(p, []byte{'/'})
		if len(elem) == 0 || elem[0] == '.' && (len(elem) == 1 || len(elem) == 2 && elem[1] == '.') || more && len(rest) == 0 {
			return false
		}
		if !more {
			return true
		}
		p = rest
	}
	return false
}

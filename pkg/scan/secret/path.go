// SPDX-License-Identifier: Apache-2.0

package secret

import "strings"

// skipped says what Trivy's patterns for paths to skip say ("skipPatterns" in rules.json).
func skipped(p string) bool {
	base := p[strings.LastIndexByte(p, '/')+1:]
	switch base {
	case "go.mod", "go.sum", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "Pipfile.lock", "Gemfile.lock":
		return true
	}
	if i := strings.LastIndexByte(base, '.'); i >= 0 {
		switch base[i+1:] {
		case "jpg", "png", "gif", "doc", "pdf", "bin", "svg", "socket", "deb", "rpm", "zip", "gz", "gzip", "tar":
			return true
		}
	}
	return hasElement(p, ".git") || hasElement(p, "node_modules")
}

// hasElement says whether p is at or below something of that name.
func hasElement(p, name string) bool {
	for from := 0; ; {
		i := strings.Index(p[from:], name)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(name)
		if (i == 0 || p[i-1] == '/') && (end == len(p) || p[end] == '/') {
			return true
		}
		from = end
	}
}

// allowedPath says what Trivy's patterns for allowed paths say ("allow" in rules.json).
func allowedPath(p string) bool {
	if strings.HasSuffix(p, ".md") || strings.Contains(p, "example") || len(p) >= 4 && isTest(p[:4]) {
		return true
	}
	for i := range len(p) {
		switch p[i] {
		case '/':
			rest := p[i+1:]
			if strings.HasPrefix(rest, "vendor/") || strings.HasPrefix(rest, "locale/") || strings.HasPrefix(rest, "locales/") {
				return true
			}
		case '.':
			if strings.HasPrefix(p[i+1:], "dist-info/") {
				return true
			}
		case '-', '_':
		case longSLead:
			// Where case is ignored, U+017F is an s.
			if plain := strings.ReplaceAll(p, string(longS), "s"); plain != p && testPath(plain) {
				return true
			}
			continue
		default:
			continue
		}
		if i+5 <= len(p) && isTest(p[i+1:i+5]) {
			return true
		}
	}
	return imagePath(p)
}

// longSLead is the first byte of longS.
const longSLead = 0xc5

// testPath is allowedPath's part in which case is ignored.
func testPath(p string) bool {
	for i := range len(p) - 3 {
		if isTest(p[i:i+4]) && (i == 0 || strings.IndexByte("/-_.", p[i-1]) >= 0) {
			return true
		}
	}
	return false
}

// isTest is for four bytes.
func isTest(s string) bool {
	return fold(s[0]) == 't' && fold(s[1]) == 'e' && fold(s[2]) == 's' && fold(s[3]) == 't'
}

// imagePath is true for what images of languages and distributions have.
func imagePath(p string) bool {
	if rest, ok := strings.CutPrefix(p, "usr/"); ok {
		for _, dir := range []string{"share/", "include/", "lib/", "local/go/", "src/wordpress/"} {
			if strings.HasPrefix(rest, dir) {
				return true
			}
		}
		return versioned(rest, "local/lib/python")
	}
	return strings.HasPrefix(p, "var/log/anaconda/") || versioned(p, "opt/yarn-v")
}

// versioned says whether p begins with prefix, digits and dots, and a slash.
func versioned(p, prefix string) bool {
	rest, ok := strings.CutPrefix(p, prefix)
	n := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
	return ok && 0 < n && n < len(rest) && rest[n] == '/'
}

// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"bytes"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// globs are patterns of paths. Most paths are told from a pattern by its literal
// beginning and end, without matching.
type globs []glob

type glob struct {
	pattern, prefix, suffix string
	// content is set for "x/**": what is in x, not the directories.
	content bool
}

func newGlobs(patterns []string) globs {
	var gs globs
	for _, p := range patterns {
		const meta = `*?[]{}\`
		g := glob{pattern: strings.TrimPrefix(p, "/")}
		g.content = g.pattern == "**" || strings.HasSuffix(g.pattern, "/**")
		g.prefix, g.suffix = g.pattern, g.pattern
		if i := strings.IndexAny(g.pattern, meta); i >= 0 {
			// A slash beside "**" may stand for nothing.
			g.prefix = strings.TrimSuffix(g.pattern[:i], "/")
			g.suffix = strings.TrimPrefix(g.pattern[strings.LastIndexAny(g.pattern, meta)+1:], "/")
		}
		gs = append(gs, g)
	}
	return gs
}

func (gs globs) match(path []byte, directory bool) bool {
	for _, g := range gs {
		if directory && g.content || !bytes.HasPrefix(path, []byte(g.prefix)) || !bytes.HasSuffix(path, []byte(g.suffix)) {
			continue
		}
		if ok, err := doublestar.Match(g.pattern, string(path)); ok && err == nil {
			return true
		}
	}
	return false
}

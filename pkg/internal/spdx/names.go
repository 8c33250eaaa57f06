// SPDX-License-Identifier: Apache-2.0

package spdx

import "strings"

// PublicDomain is what Debian calls the absence of a licence and of a need for one.
const PublicDomain = "public-domain"

// lookup finds a licence by its id in any letter case, or by a name that
// distributions use.
func (t *Table) lookup(name string) (Licence, bool) {
	lower := strings.ToLower(strings.TrimSpace(name))
	if id, ok := t.ids[lower]; ok {
		return t.known(id), true
	}
	if lower == PublicDomain || lower == "public domain" {
		return Licence{ID: PublicDomain, Known: true, Family: Unencumbered}, true
	}
	if id := alias(lower); id != "" {
		return t.known(id), true
	}
	if id, ok := t.ids[gnu(lower)]; ok {
		return t.known(id), true
	}
	// Debian marks the variants of a text by a tilde: BSD-3-clause~Google.
	if base, _, ok := strings.Cut(lower, "~"); ok {
		return t.lookup(base)
	}
	if base, ok := strings.CutSuffix(lower, "+"); ok && !strings.HasSuffix(base, "+") {
		l, ok := t.lookup(base)
		if id, later := strings.CutSuffix(l.ID, "-only"); ok && later {
			l.ID = id + "-or-later"
		} else if ok && !strings.HasSuffix(l.ID, "-or-later") {
			l.ID += "+"
		}
		return l, ok
	}
	return Licence{}, false
}

// alias are names without a rule behind them.
func alias(lower string) string {
	switch lower {
	case "expat", "mit license", "the mit license", "mit/x11", "mit-style":
		return "MIT"
	case "apache", "apache2", "apache2.0", "apache-2", "apache 2", "apache 2.0", "apache license 2.0", "apache license, version 2.0",
		"apache software license 2.0", "asl2.0", "asl 2.0", "asl-2.0":
		return "Apache-2.0"
	case "bsd", "bsd3", "bsd-3", "bsd license", "new bsd", "bsd 3-clause":
		return "BSD-3-Clause"
	case "bsd2", "bsd-2", "bsd 2-clause", "simplified bsd":
		return "BSD-2-Clause"
	case "bsd4", "bsd-4":
		return "BSD-4-Clause"
	case "artistic", "artistic-1":
		return "Artistic-1.0"
	case "artistic-2", "artistic2.0", "artistic 2.0":
		return "Artistic-2.0"
	case "boost", "boost-1.0":
		return "BSL-1.0"
	case "mplv1.1", "mpl1.1", "mpl 1.1":
		return "MPL-1.1"
	case "mplv2.0", "mpl2.0", "mpl 2.0", "mpl2", "mpl-2", "mplv2":
		return "MPL-2.0"
	case "cc0", "cc-0":
		return "CC0-1.0"
	case "psf", "python", "python-2":
		return "PSF-2.0"
	case "ofl", "ofl-1.1-rfn":
		return "OFL-1.1"
	// A GNU licence without a version may be used under any.
	case "gpl":
		return "GPL-1.0-or-later"
	case "lgpl":
		return "LGPL-2.0-or-later"
	default:
		return ""
	}
}

// gnu reads GPLv2+, LGPL2.1, "gpl-3", GFDL-1.3+ and their like.
func gnu(lower string) string {
	for _, name := range []string{"agpl", "lgpl", "gpl", "gfdl"} {
		rest, ok := strings.CutPrefix(lower, name)
		if !ok {
			continue
		}
		version := strings.TrimLeft(rest, "-_ v")
		suffix := "-only"
		for _, later := range []string{"+", "-or-later", " or later"} {
			if v, ok := strings.CutSuffix(version, later); ok {
				version, suffix = v, "-or-later"
			}
		}
		version = strings.TrimSuffix(version, "-only")
		if !strings.Contains(version, ".") {
			version += ".0"
		}
		return name + "-" + version + suffix
	}
	return ""
}

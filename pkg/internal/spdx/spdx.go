// SPDX-License-Identifier: Apache-2.0

// Package spdx reads licence expressions as packages state them: SPDX expressions, and
// the names that distributions used before them.
package spdx

import (
	_ "embed" // the tables
	"slices"
	"strings"
)

//go:embed licences.txt
var licences string

//go:embed exceptions.txt
var exceptions string

// Family is Google's classification of a licence, which Trivy uses too.
type Family string

// The families.
const (
	Forbidden    Family = "forbidden"
	Restricted   Family = "restricted"
	Reciprocal   Family = "reciprocal"
	Notice       Family = "notice"
	Permissive   Family = "permissive"
	Unencumbered Family = "unencumbered"
	// Unknown is for licences that nobody has classified.
	Unknown Family = "unknown"
)

// Families lists all families, most demanding first.
func Families() []Family {
	return []Family{Forbidden, Restricted, Reciprocal, Notice, Permissive, Unencumbered, Unknown}
}

// Licence is one licence of an expression.
type Licence struct {
	// ID is the SPDX id; where there is none, what was stated. GNU licences always say
	// -only or -or-later. "+" follows the id of others that allow later versions.
	ID string
	// Exception is what follows WITH.
	Exception string
	// Known says that ID and Exception are in the lists.
	Known  bool
	Family Family
}

// Name is the licence in SPDX's form.
func (l Licence) Name() string {
	if l.Exception != "" {
		return l.ID + " WITH " + l.Exception
	}
	return l.ID
}

// Names are all names by which patterns may mean the licence, the full one first, in
// lower case: "gpl-2.0-only with classpath-exception-2.0", "gpl-2.0-only", "gpl-2.0".
func (l Licence) Names() []string {
	list := []string{strings.ToLower(l.Name())}
	id := strings.ToLower(l.ID)
	base := strings.TrimSuffix(id, "+")
	for _, suffix := range []string{"-only", "-or-later"} {
		base = strings.TrimSuffix(base, suffix)
	}
	for _, n := range []string{id, base} {
		if !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list
}

// Expression is a licence, or some of which all (AND) or one (OR) apply.
type Expression struct {
	Licence  Licence
	Or       bool
	Operands []Expression
}

// Table holds the lists.
type Table struct {
	ids        map[string]string // by lower case
	families   map[string]Family
	exceptions map[string]string
}

// NewTable reads the lists.
func NewTable() *Table {
	t := &Table{ids: map[string]string{}, families: map[string]Family{}, exceptions: map[string]string{}}
	each(licences, func(line string) {
		id, family, ok := strings.Cut(line, " ")
		t.ids[strings.ToLower(id)] = id
		t.families[id] = Unknown
		if ok {
			t.families[id] = Family(family)
		}
	})
	each(exceptions, func(line string) { t.exceptions[strings.ToLower(line)] = line })
	return t
}

func each(list string, do func(string)) {
	for line := range strings.Lines(list) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			do(line)
		}
	}
}

// Licences are all licences of the list, by name.
func (t *Table) Licences() []Licence {
	var list []Licence
	for _, id := range t.ids {
		list = append(list, t.known(id))
	}
	slices.SortFunc(list, func(a, b Licence) int { return strings.Compare(a.Name(), b.Name()) })
	return slices.CompactFunc(list, func(a, b Licence) bool { return a.Name() == b.Name() })
}

// known is the licence of an id of the list. The ids of GNU licences that do not say
// whether later versions are meant are deprecated, and mean the version alone.
func (t *Table) known(id string) Licence {
	family := t.families[id]
	if base, exception := withException(id); exception != "" {
		return Licence{ID: base, Exception: exception, Known: true, Family: family}
	}
	base, plus := strings.CutSuffix(id, "+")
	if _, ok := t.families[base+"-or-later"]; ok && plus {
		id = base + "-or-later"
	} else if _, ok := t.families[id+"-only"]; ok {
		id += "-only"
	}
	return Licence{ID: id, Known: true, Family: family}
}

// withException splits the deprecated ids that hold an exception.
func withException(id string) (base, exception string) {
	switch id {
	case "GPL-2.0-with-autoconf-exception":
		return "GPL-2.0-only", "Autoconf-exception-2.0"
	case "GPL-2.0-with-bison-exception":
		return "GPL-2.0-only", "Bison-exception-2.2"
	case "GPL-2.0-with-classpath-exception":
		return "GPL-2.0-only", "Classpath-exception-2.0"
	case "GPL-2.0-with-font-exception":
		return "GPL-2.0-only", "Font-exception-2.0"
	case "GPL-2.0-with-GCC-exception":
		return "GPL-2.0-only", "GCC-exception-2.0"
	case "GPL-3.0-with-autoconf-exception":
		return "GPL-3.0-only", "Autoconf-exception-3.0"
	case "GPL-3.0-with-GCC-exception":
		return "GPL-3.0-only", "GCC-exception-3.1"
	default:
		return "", ""
	}
}

// SPDX-License-Identifier: Apache-2.0

package spdx

import (
	"strings"
	"testing"
)

// show writes an expression with the family of each licence; what is unknown in quotes.
func show(e Expression) string {
	if len(e.Operands) == 0 {
		if !e.Licence.Known {
			return `"` + e.Licence.Name() + `"`
		}
		return e.Licence.Name()
	}
	var parts []string
	for _, o := range e.Operands {
		parts = append(parts, show(o))
	}
	word := " AND "
	if e.Or {
		word = " OR "
	}
	return "(" + strings.Join(parts, word) + ")"
}

func TestParse(t *testing.T) {
	table := NewTable()
	for text, want := range map[string]string{
		"MIT":                              "MIT",
		"mit":                              "MIT",
		"GPL-2.0":                          "GPL-2.0-only",
		"GPL-2.0+":                         "GPL-2.0-or-later",
		"GPLv2+":                           "GPL-2.0-or-later",
		"GPL2":                             "GPL-2.0-only",
		"GPL-3":                            "GPL-3.0-only",
		"LGPL2.1+":                         "LGPL-2.1-or-later",
		"lgpl-3.0-or-later":                "LGPL-3.0-or-later",
		"AGPLv3":                           "AGPL-3.0-only",
		"GFDL-1.3+":                        "GFDL-1.3-or-later",
		"GPL+":                             "GPL-1.0-or-later",
		"Apache License, Version 2.0":      "Apache-2.0",
		"ASL 2.0":                          "Apache-2.0",
		"Apache-2.0+":                      "Apache-2.0+",
		"BSD-3-Clause AND MIT":             "(BSD-3-Clause AND MIT)",
		"MIT or Apache-2.0":                "(MIT OR Apache-2.0)",
		"MIT OR GPL-2.0 AND ISC":           "(MIT OR (GPL-2.0-only AND ISC))",
		"(MIT OR GPL-2.0) AND ISC":         "((MIT OR GPL-2.0-only) AND ISC)",
		"MIT/Apache-2.0":                   "(MIT OR Apache-2.0)",
		"MIT/X11":                          "MIT",
		"GPL-2.0-with-classpath-exception": "GPL-2.0-only WITH Classpath-exception-2.0",
		"GPL-2.0-only with classpath-exception-2.0": "GPL-2.0-only WITH Classpath-exception-2.0",
		"GPL-2.0-only WITH house-rules":             `"GPL-2.0-only WITH house-rules"`,
		"GPL-3.0-with-autoconf-exception+":          "GPL-3.0-or-later WITH Autoconf-exception-3.0",
		"BSD-3-clause~Google":                       "BSD-3-Clause",
		"Expat~Wu":                                  "MIT",
		"Public Domain":                             "public-domain",
		"custom:foo":                                `"custom:foo"`,
		"":                                          `""`,
		"MIT OR":                                    `"MIT OR"`,
		"AND":                                       `"AND"`,
		"(MIT":                                      `"(MIT"`,
		"MIT)":                                      `"MIT)"`,
		"MIT AND foo":                               `(MIT AND "foo")`,
		"MIT WITH":                                  `"MIT WITH"`,
		"all rights reserved":                       `"all rights reserved"`,
		"GPL-9.0":                                   `"GPL-9.0"`,
		"Apache-2.0 WITH Commons-Clause":            `"Apache-2.0 WITH Commons-Clause"`,
		"MIT\x00\n AND  ISC":                        "(\"MIT\x00\" AND ISC)",
	} {
		if got := show(table.Parse(text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	deep := strings.Repeat("(", maxDepth+2) + "MIT" + strings.Repeat(")", maxDepth+2)
	if e := table.Parse(deep); e.Licence.Known {
		t.Error("deeper than the limit")
	}
	if e := table.Parse(strings.Repeat("MIT OR ", maxText) + "MIT"); len(e.Operands) > 0 || e.Licence.Known {
		t.Error("longer than the limit")
	}
}

func TestFamilies(t *testing.T) {
	table := NewTable()
	for text, want := range map[string]Family{
		"AGPL-3.0-or-later": Forbidden, "GPLv2+": Restricted, "LGPL-2.1": Restricted, "MPL-2.0": Reciprocal, "MIT": Notice,
		"0BSD": Unencumbered, "public-domain": Unencumbered, "BlueOak-1.0.0": Unknown, "nothing": Unknown, "Commons-Clause": Forbidden,
		"GPL-2.0-with-GCC-exception": Restricted, "Apache-2.0+": Notice, "GFDL-1.3-only": Unknown,
	} {
		if got := table.Parse(text).Licence.Family; got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for _, l := range table.Licences() {
		if !l.Known || l.ID == "" || l.Family == "" {
			t.Errorf("%+v", l)
		}
		if again := table.Parse(l.Name()).Licence; again != l {
			t.Errorf("%s is read as %+v, not %+v", l.Name(), again, l)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"MIT", "(MIT OR GPL-2.0+) AND ISC WITH x", "a/b/c", "GPLv2+~x", "((((", "GPL" + strings.Repeat("+", 9), "\xff"} {
		f.Add(s)
	}
	table := NewTable()
	f.Fuzz(func(t *testing.T, s string) {
		var walk func(Expression)
		walk = func(e Expression) {
			if len(e.Operands) == 1 || len(e.Operands) == 0 && e.Licence.Family == "" {
				t.Fatalf("%q: %+v", s, e)
			}
			for _, o := range e.Operands {
				walk(o)
			}
		}
		walk(table.Parse(s))
	})
}

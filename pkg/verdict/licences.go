// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/spdx"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// licences judges what packages are under. A package that states several expressions
// is under all of them: scanners split some lists and lose what stood between.
func (s *subject) licences(r policy.LicenceRule) judgement {
	j := judgement{noun: "licence violation", gaps: s.packageGaps()}
	if len(r.Forbidden)+len(r.Allowed)+len(r.ForbiddenFamilies)+len(r.AllowedFamilies) == 0 {
		j.undecided = "the rule demands nothing that this version understands"
		return j
	}
	c := licenceCheck{rule: r, table: spdx.NewTable(), known: map[string]grade{}}
	accepted, unplaced := 0, false
	for _, p := range s.distinctPackages() {
		if len(r.PackageTypes) > 0 && !ofType(r.PackageTypes, &p) || matchesPackage(r.ExceptPackages, &p) {
			continue
		}
		if r.Origin != "" && string(s.origin(p.Layer)) != r.Origin {
			unplaced = true
			continue
		}
		j.examined++
		g := c.packageGrade(p)
		switch {
		case g.level == unclear && r.UnknownAccepted:
			accepted++
		case g.level != acceptable:
			j.violations = append(j.violations, Violation{
				Message: describePackage(p) + " " + g.reason, ID: g.licence, Package: &p, Path: p.Path, Layer: p.Layer,
				Fix: licenceFix(g, p.Name),
			})
		}
	}
	j.undecided = s.unplaced(r.Origin, unplaced, "packages")
	j.met = fmt.Sprintf("%s under licences that are accepted", wording.Count(j.examined-accepted, "package"))
	if j.examined == 0 {
		j.met = "no package is concerned"
	}
	if accepted > 0 {
		j.met += fmt.Sprintf("; %d without a known licence, accepted by policy", accepted)
	}
	return j
}

func licenceFix(g grade, name string) string {
	if g.level == unclear {
		return "find out what " + name + " is under; if that is acceptable, name it in the rule's except-packages"
	}
	return "replace " + name + " by a package under another licence"
}

// level orders what can be said of a licence, the best first.
type level int

const (
	acceptable level = iota
	unclear
	refused
)

// grade is what is said of a licence, and of which.
type grade struct {
	level   level
	licence string
	reason  string
}

type licenceCheck struct {
	rule  policy.LicenceRule
	table *spdx.Table
	known map[string]grade
}

func (c *licenceCheck) packageGrade(p evidence.Package) grade {
	worst := grade{}
	stated := false
	for _, text := range p.Licenses {
		if strings.TrimSpace(text) == "" {
			continue
		}
		stated = true
		g, ok := c.known[text]
		if !ok {
			g = c.expression(c.table.Parse(text))
			c.known[text] = g
		}
		if g.level > worst.level {
			worst = g
		}
	}
	if !stated {
		return grade{unclear, "none", "states no licence"}
	}
	return worst
}

// expression grades an AND by its worst and an OR by its best part. The parser bounds
// the depth.
func (c *licenceCheck) expression(e spdx.Expression) grade {
	if len(e.Operands) == 0 {
		return c.licence(e.Licence)
	}
	out := c.expression(e.Operands[0])
	for _, o := range e.Operands[1:] {
		if g := c.expression(o); e.Or && g.level < out.level || !e.Or && g.level > out.level {
			out = g
		}
	}
	return out
}

func (c *licenceCheck) licence(l spdx.Licence) grade {
	name := l.Name()
	matching := func(globs []string) string {
		i := slices.IndexFunc(globs, func(g string) bool { return policy.MatchLicence(g, l) })
		if i < 0 {
			return ""
		}
		return globs[i]
	}
	family := string(l.Family)
	allowing := len(c.rule.Allowed)+len(c.rule.AllowedFamilies) > 0
	byFamily := len(c.rule.AllowedFamilies)+len(c.rule.ForbiddenFamilies) > 0
	switch forbidden := matching(c.rule.Forbidden); {
	case c.excepted(l):
		return grade{}
	case forbidden != "":
		reason := fmt.Sprintf("is under %s, which is forbidden", name)
		if !strings.EqualFold(forbidden, name) {
			reason += " by " + forbidden
		}
		return grade{refused, name, reason}
	case slices.Contains(c.rule.ForbiddenFamilies, family):
		return grade{refused, name, fmt.Sprintf("is under %s, of the family %s, which is forbidden", name, family)}
	case matching(c.rule.Allowed) != "", slices.Contains(c.rule.AllowedFamilies, family):
		return grade{}
	case !l.Known:
		return grade{unclear, name, fmt.Sprintf("is under %q, which is no licence of the SPDX list", name)}
	case byFamily && l.Family == spdx.Unknown:
		return grade{unclear, name, fmt.Sprintf("is under %s, which belongs to no family", name)}
	case allowing:
		return grade{refused, name, fmt.Sprintf("is under %s, which is not among those that are allowed", name)}
	default:
		return grade{}
	}
}

// excepted says whether a licence is allowed by its full name, exception included: such
// a name is more particular than any that forbids it.
func (c *licenceCheck) excepted(l spdx.Licence) bool {
	return l.Exception != "" && slices.ContainsFunc(c.rule.Allowed, func(g string) bool {
		return strings.Contains(strings.ToLower(g), " with ") && policy.MatchLicence(g, l)
	})
}

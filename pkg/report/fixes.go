// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// clear writes what to do, the step with the largest effect first.
func (p *page) clear(s verdict.SubjectVerdict) {
	fixes := verdict.Fixes(s)
	others, unfixed := otherSteps(s)
	if len(fixes)+len(others)+len(unfixed) == 0 {
		return
	}
	p.heading(styleBold, "To clear the gate")
	p.upgrades(fixes)
	for _, o := range others {
		p.wrap(4, "  - ", o)
	}
	if n := len(unfixed); n > 0 {
		const shown = 8
		list := strings.Join(unfixed[:min(n, shown)], ", ")
		if n > shown {
			list += fmt.Sprintf(", … and %d more", n-shown)
		}
		p.wrap(4, "  - ", "no fix is known yet; waive with an end date or remove the package: "+list)
	}
	if os := s.Evidence.Coverage.OS; os.EndOfLife {
		p.wrap(4, "  - ", clean(os.Family+" "+os.Release)+" is no longer maintained by its vendor: move to a maintained base image")
	}
}

func (p *page) upgrades(fixes []verdict.Fix) {
	var rows [][]cell
	for i, f := range fixes {
		if i == capFailed {
			break
		}
		rows = append(rows, []cell{
			{fmt.Sprintf("clears %d", f.Clears), styleNone}, {clean(f.Package), styleBold},
			{clean(f.From) + " → " + clean(f.To), styleNone}, {clean(f.Command), styleNone},
		})
	}
	if len(rows) == 0 {
		return
	}
	all, tool := together(fixes)
	if tool != "" {
		// The command for all of them is below; one for each would only repeat it.
		for i := range rows {
			rows[i] = rows[i][:3]
		}
		p.table(2, []column{{fixed: true}, {}, {}}, rows)
	} else {
		p.table(2, []column{{fixed: true}, {}, {}, {wrap: true}}, rows)
	}
	if rest := len(fixes) - len(rows); rest > 0 {
		p.line(fmt.Sprintf("  … and %d more upgrades", rest))
	}
	if tool != "" {
		p.blank()
		p.command(tool, all)
	}
}

// command writes a command that can be copied, continued over lines where it is long.
func (p *page) command(tool string, words []string) {
	lines := fold(tool+" "+strings.Join(words, " "), max(p.width-6, minWidth/2))
	for i, l := range lines {
		if i < len(lines)-1 {
			l += ` \`
		}
		lead := "    "
		if i > 0 {
			lead = "      "
		}
		p.line(lead + p.paint(styleBold, l))
	}
}

// together joins the upgrades of one distribution's packages into one command.
// It returns nothing if some upgrade is of another kind or has no command.
func together(fixes []verdict.Fix) (packages []string, tool string) {
	for _, f := range fixes {
		t := ""
		for _, known := range [...]string{
			"apk upgrade", "apt-get install --only-upgrade", "dnf upgrade", "microdnf upgrade", "yum upgrade", "tdnf update", "zypper update",
		} {
			if strings.HasPrefix(f.Command, known+" ") {
				t = known
			}
		}
		if t == "" || tool != "" && t != tool {
			return nil, ""
		}
		tool = t
		for _, w := range strings.Fields(strings.TrimPrefix(f.Command, t)) {
			if !slices.Contains(packages, w) {
				packages = append(packages, w)
			}
		}
	}
	slices.Sort(packages)
	return packages, tool
}

// otherSteps are the fixes of what is no upgrade, each once, and the
// vulnerabilities that have none.
func otherSteps(s verdict.SubjectVerdict) (steps, unfixed []string) {
	for _, o := range s.Outcomes {
		if o.Result != verdict.Fail {
			continue
		}
		for _, v := range o.Violations {
			f := v.Finding
			switch {
			case f != nil && f.Kind == evidence.KindVulnerability:
				if f.FixedVersion != "" && f.Package != nil {
					continue
				}
				if id := strings.TrimSpace(clean(f.PackageName()) + " (" + clean(f.ID) + ")"); !slices.Contains(unfixed, id) {
					unfixed = append(unfixed, id)
				}
			case v.Fix != "":
				if step := clean(o.Rule) + ": " + clean(v.Fix); !slices.Contains(steps, step) {
					steps = append(steps, step)
				}
			}
		}
	}
	return steps, unfixed
}

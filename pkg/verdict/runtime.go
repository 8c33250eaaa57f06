// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

// runtime judges whether the image can run as the rule demands, as far as the image
// says. The summary of a pass names what it does not say.
func (s *subject) runtime(r policy.RuntimeRule) judgement {
	j := judgement{noun: "obstacle"}
	if !r.ReadOnlyRoot && !r.CapabilitiesLimited && !r.NonRoot && !r.NoNewPrivileges {
		j.undecided = noDemand
		return j
	}
	if r.NonRoot {
		s.configUser(false, &j)
	}
	profile, known := ProfileOf(s.evidence)
	if r.ReadOnlyRoot || r.CapabilitiesLimited || r.NoNewPrivileges {
		g := s.open(RuleImage, RuleIntegrity, RuleLimits, RuleScan)
		switch {
		case !known:
			j.undecided = unknownConfig
		case !s.layersRead():
			j.undecided = "the image's files were not looked at"
		}
		if len(j.gaps.rules) == 0 {
			j.gaps = g
		}
	}
	if !known {
		return j
	}
	if r.ReadOnlyRoot {
		j.add(s.readOnlyRoot(profile))
	}
	if r.CapabilitiesLimited {
		j.add(s.capabilities(r.Capabilities, profile))
	}
	if r.NoNewPrivileges {
		j.add(s.newPrivileges())
	}
	return j
}

func (s *subject) readOnlyRoot(profile Profile) part {
	p := part{examined: len(profile.Writable), met: "nothing known is written outside of volumes (where else the program writes, an image does not say)"}
	for _, n := range profile.Writable {
		if n.Declared {
			continue
		}
		p.violations = append(p.violations, Violation{
			ID: n.What, Path: strings.TrimPrefix(n.What, "/"),
			Message: fmt.Sprintf("%s is likely written and lies in no declared volume: %s", n.What, n.Reason),
			Fix:     "declare it in the Dockerfile: VOLUME " + n.What,
		})
	}
	return p
}

func (s *subject) capabilities(allowed []string, profile Profile) part {
	p := part{examined: len(profile.Capabilities), met: "no other capability is known to be needed (what the program asks the kernel for, an image does not say)"}
	for _, e := range s.evidence.Image.Config.Ports {
		message, number := "", strings.Split(e.Raw, "/")[0]
		switch {
		case e.First < 1:
			message = fmt.Sprintf("exposes %s, which is no port, so that it may need a capability", e.Raw)
		case e.First < firstUnprivileged && !slices.Contains(allowed, bindService):
			message = fmt.Sprintf("needs the capability %s: port %s is exposed", bindService, e.Raw)
		default:
			continue
		}
		p.violations = append(p.violations, Violation{ID: e.Raw, Message: message, Line: s.lineOf("EXPOSE", number), Fix: "let the service listen on a port from 1024 up"})
	}
	for _, f := range s.evidence.Files {
		p.examined++
		for _, c := range f.Capabilities {
			name := capabilityName(c)
			if f.RemovedBy != nil || slices.Contains(allowed, name) {
				continue
			}
			p.violations = append(p.violations, Violation{
				ID: name, Path: f.Path, Layer: f.Layer, Message: fmt.Sprintf("/%s demands the capability %s", f.Path, name),
				Fix: "take it away where the file is made: setcap -r /" + f.Path,
			})
		}
	}
	return p
}

func (s *subject) newPrivileges() part {
	p := part{examined: len(s.evidence.Files), met: "no file grants privileges"}
	for _, f := range s.evidence.Files {
		why := privilege(f)
		if why == "" || f.RemovedBy != nil {
			continue
		}
		fix := "take the bit away where the file is made: chmod a-s /" + f.Path
		if f.Mode&(evidence.ModeSetuid|evidence.ModeSetgid) == 0 {
			fix = "take the capabilities away where the file is made: setcap -r /" + f.Path
		}
		p.violations = append(p.violations, Violation{ID: "/" + f.Path, Path: f.Path, Layer: f.Layer, Message: fmt.Sprintf("/%s %s", f.Path, why), Fix: fix})
	}
	return p
}

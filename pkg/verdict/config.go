// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

const userFix = "create a user in the Dockerfile and switch to it by number, as in: USER 65532:65532"

const (
	noDemand      = "the rule demands nothing that this version understands"
	unknownConfig = "the image's configuration is not known"
)

// part is what one demand of a rule found.
type part struct {
	violations []Violation
	examined   int
	// met says what is in order, undecided why that is not known.
	met, undecided string
}

// config judges the image configuration. The user needs more than that where it is
// given by name: the image's /etc/passwd, which means every layer.
func (s *subject) config(r policy.ConfigRule) judgement {
	j := judgement{noun: "violation"}
	parts := s.configParts(r)
	if r.UserNonRoot {
		s.configUser(r.UserNumeric, &j)
	}
	if len(parts) == 0 {
		if !r.UserNonRoot {
			j.undecided = noDemand
		}
		return j
	}
	if s.evidence.Image.Config == nil {
		g := s.open(RuleImage, RuleIntegrity, RuleLimits, RuleScan)
		j.gaps.rules, j.gaps.problems = append(j.gaps.rules, g.rules...), append(j.gaps.problems, g.problems...)
		j.undecided = cmp.Or(j.undecided, unknownConfig)
		return j
	}
	g := s.open(RuleImage, RuleIntegrity)
	if r.EnvSecretsForbidden {
		g = s.open(RuleImage, RuleIntegrity, RuleLimits, RuleScan)
	}
	if len(j.gaps.rules) == 0 {
		j.gaps = g
	}
	for _, p := range parts {
		j.add(p(s.evidence.Image.Config))
	}
	return j
}

// add joins what another demand of the same rule found.
func (j *judgement) add(p part) {
	j.violations = append(j.violations, p.violations...)
	j.examined += p.examined
	if j.undecided == "" {
		j.undecided = p.undecided
	}
	if p.met != "" && j.met != "" {
		p.met = "; " + p.met
	}
	j.met += p.met
}

// configParts are the demands of a rule except that on the user.
func (s *subject) configParts(r policy.ConfigRule) []func(*evidence.Config) part {
	var parts []func(*evidence.Config) part
	add := func(on bool, f func(*evidence.Config) part) {
		if on {
			parts = append(parts, f)
		}
	}
	add(r.Ports != nil, func(c *evidence.Config) part { return s.ports(*r.Ports, c) })
	add(r.EntrypointRequired, s.entrypoint)
	add(r.ExecForm, s.execForm)
	add(r.Healthcheck != "", func(c *evidence.Config) part { return s.healthcheck(r.Healthcheck, c) })
	add(r.Volumes != nil, func(c *evidence.Config) part { return s.volumes(*r.Volumes, c) })
	add(r.Labels != nil, func(c *evidence.Config) part { return s.labels(*r.Labels, c) })
	add(r.Annotations != nil, func(c *evidence.Config) part { return s.annotations(*r.Annotations, c) })
	add(r.Env != nil, func(c *evidence.Config) part { return s.env(*r.Env, c) })
	add(r.EnvSecretsForbidden, s.envSecrets)
	add(r.History != nil, func(c *evidence.Config) part { return s.history(*r.History, c) })
	add(len(r.Architectures) > 0, func(*evidence.Config) part { return s.architecture(r.Architectures) })
	add(r.Created != nil, func(*evidence.Config) part { return s.created(*r.Created) })
	add(r.OnBuildForbidden, s.onBuild)
	return parts
}

// configUser judges the user that a container runs as.
func (s *subject) configUser(numericOnly bool, j *judgement) {
	j.examined++
	u := s.evidence.Image.User
	line := s.lineOf("USER", "")
	violated := func(message string) {
		j.violations = append(j.violations, Violation{ID: "user", Message: message, Line: line, Fix: userFix})
	}
	switch {
	case !s.configKnown():
		j.gaps = s.open(RuleImage, RuleIntegrity, RuleLimits, RuleScan)
		j.undecided = unknownConfig
		return
	case strings.TrimSpace(u.Configured) == "":
		violated("runs as root: the image sets no USER")
		return
	}
	s.user(u, j, violated)
	if _, err := strconv.ParseUint(strings.Split(u.Configured, ":")[0], 10, 32); numericOnly && err != nil {
		violated(fmt.Sprintf("USER %s is not a number, so that Kubernetes' runAsNonRoot refuses the image", u.Configured))
	}
}

func (s *subject) user(u evidence.User, j *judgement, violated func(string)) {
	reason := ""
	if u.Reason != "" {
		reason = ": " + u.Reason
	}
	// Where a layer is missing, so may be the line that names the user or its group.
	unsure := s.open(RuleImage, RuleIntegrity, RuleLimits, RuleScan)
	if numeric(u.Configured) {
		unsure = gaps{}
	}
	switch {
	case u.UID != nil && *u.UID == 0:
		violated(fmt.Sprintf("runs as root: USER %s is uid 0", u.Configured))
	case len(unsure.rules) > 0:
		j.gaps = unsure
	case u.GID != nil && *u.GID == 0:
		violated(fmt.Sprintf("runs with the root group: USER %s is gid 0", u.Configured))
	case u.UID == nil:
		j.undecided = fmt.Sprintf("cannot resolve USER %s%s", u.Configured, reason)
	case u.GID == nil:
		j.undecided = fmt.Sprintf("cannot resolve the group of USER %s%s", u.Configured, reason)
	default:
		j.met = fmt.Sprintf("USER %s is uid %d, gid %d", u.Configured, *u.UID, *u.GID)
	}
}

// configKnown tells a configuration without USER from one that nobody has read:
// both look empty.
func (s *subject) configKnown() bool {
	ev := s.evidence
	if ev.Subject.Digest == "" && ev.Subject.ImageID == "" {
		return false
	}
	if len(s.open(RuleImage, RuleIntegrity, RuleLimits, RuleScan).rules) == 0 {
		return true
	}
	u := ev.Image.User
	return u.Configured != "" || u.UID != nil || u.Reason != ""
}

// numeric says whether a USER is uid:gid and so needs no file to be resolved.
func numeric(user string) bool {
	uid, gid, ok := strings.Cut(user, ":")
	if !ok {
		return false
	}
	_, err1 := strconv.ParseUint(uid, 10, 32)
	_, err2 := strconv.ParseUint(gid, 10, 32)
	return err1 == nil && err2 == nil
}

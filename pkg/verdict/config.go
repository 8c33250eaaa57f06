// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

const userFix = "create a user in the Dockerfile and switch to it by number, as in: USER 65532:65532"

// config judges the user of the image. It needs the image's configuration; where
// the user is given by name it needs the image's /etc/passwd too, which means
// every layer.
func (s *subject) config(r policy.ConfigRule) judgement {
	j := judgement{noun: "violation", examined: 1}
	u := s.evidence.Image.User
	switch {
	case !r.UserNonRoot:
		j.undecided = "the rule demands nothing that this version understands"
	case !s.configKnown():
		j.gaps = s.open(RuleImage, RuleIntegrity, RuleLimits, RuleScan)
		j.undecided = "the image's configuration is not known"
	case strings.TrimSpace(u.Configured) == "":
		j.violations = []Violation{{Message: "runs as root: the image sets no USER", Fix: userFix}}
	default:
		s.user(u, &j)
	}
	return j
}

func (s *subject) user(u evidence.User, j *judgement) {
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
		j.violations = []Violation{{Message: fmt.Sprintf("runs as root: USER %s is uid 0", u.Configured), Fix: userFix}}
	case len(unsure.rules) > 0:
		j.gaps = unsure
	case u.GID != nil && *u.GID == 0:
		j.violations = []Violation{{Message: fmt.Sprintf("runs with the root group: USER %s is gid 0", u.Configured), Fix: userFix}}
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

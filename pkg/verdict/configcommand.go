// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// ports judges what the image exposes. A text that is no port meets no demand.
func (s *subject) ports(r policy.PortRule, c *evidence.Config) part {
	p := part{examined: len(c.Ports), met: "no port exposed"}
	if r.Min <= 0 && r.Max <= 0 && len(r.Allowed) == 0 && len(r.Forbidden) == 0 {
		p.undecided = noDemand
		return p
	}
	var names []string
	for _, e := range c.Ports {
		names = append(names, e.Raw)
		why := portFault(r, e)
		if why == "" {
			continue
		}
		number, _, _ := strings.Cut(e.Raw, "/")
		p.violations = append(p.violations, Violation{
			ID: e.Raw, Message: fmt.Sprintf("the image exposes port %s, %s", e.Raw, why), Line: s.lineOf("EXPOSE", number),
			Fix: "let the service listen on an allowed port, and EXPOSE that one; an EXPOSE of the base image cannot be undone but by another base",
		})
	}
	if len(names) > 0 {
		p.met = "ports: " + shortList(names)
	}
	return p
}

func portFault(r policy.PortRule, e evidence.Port) string {
	if e.First < 1 || e.Last < e.First || e.Protocol == "" {
		return "which is no port"
	}
	own := policy.Ports{First: e.First, Last: e.Last, Protocol: e.Protocol}
	if i := slices.IndexFunc(r.Forbidden, own.Overlaps); i >= 0 {
		return fmt.Sprintf("and %s is forbidden", r.Forbidden[i])
	}
	switch {
	case r.Min > 0 && e.First < r.Min:
		return fmt.Sprintf("which is below %d", r.Min)
	case r.Max > 0 && e.Last > r.Max:
		return fmt.Sprintf("which is above %d", r.Max)
	case len(r.Allowed) > 0 && !slices.ContainsFunc(r.Allowed, func(a policy.Ports) bool { return a.Contains(own) }):
		return "which is not among those allowed"
	}
	return ""
}

func (s *subject) entrypoint(c *evidence.Config) part {
	p := part{examined: 1, met: "ENTRYPOINT is set"}
	if len(c.Entrypoint) == 0 || strings.Join(c.Entrypoint, "") == "" {
		p.violations = []Violation{{ID: "entrypoint", Message: "the image sets no ENTRYPOINT", Fix: `set ENTRYPOINT ["/app"] in the Dockerfile`}}
	}
	return p
}

// execForm judges the process that a container starts. A shell around it keeps
// signals from it. CMD counts beside an ENTRYPOINT too: its arguments are the
// command there more often than not.
func (s *subject) execForm(c *evidence.Config) part {
	p := part{examined: 1, met: "no shell wraps the command"}
	if len(c.Entrypoint)+len(c.Cmd) == 0 {
		p.violations = []Violation{{ID: "exec-form", Message: "the image sets neither ENTRYPOINT nor CMD", Fix: `set ENTRYPOINT ["/app"] in the Dockerfile`}}
		return p
	}
	for _, k := range []struct {
		keyword string
		words   []string
	}{{"ENTRYPOINT", c.Entrypoint}, {"CMD", c.Cmd}} {
		switch {
		case len(k.words) > 0 && strings.Contains(k.words[0], evidence.Masked):
			p.violations = append(p.violations, Violation{ID: k.keyword, Message: k.keyword + " looks like a credential and is masked, so that its form is not known", Line: s.lineOf(k.keyword, "")})
		case shellForm(k.words):
			p.violations = append(p.violations, Violation{
				ID: k.keyword, Message: fmt.Sprintf("%s is wrapped in a shell: %s", k.keyword, shortText(strings.Join(k.words, " "))), Line: s.lineOf(k.keyword, ""),
				Fix: fmt.Sprintf("write %s as a JSON list of the program and its arguments, without the shell", k.keyword),
			})
		}
	}
	return p
}

// shellForm says whether a command is `sh -c …`, whichever the shell.
func shellForm(words []string) bool {
	// What stands before the shell passes signals on to it only.
	for len(words) > 1 && slices.Contains([]string{"env", "busybox", "toybox", "tini", "dumb-init", "docker-init", "catatonit"}, path.Base(words[0])) {
		words = words[1:]
		for len(words) > 1 && (strings.HasPrefix(words[0], "-") || strings.Contains(words[0], "=")) {
			words = words[1:]
		}
	}
	if len(words) < 2 {
		return false
	}
	name := strings.TrimSuffix(strings.ToLower(words[0][strings.LastIndexAny(words[0], `/\`)+1:]), ".exe")
	switch name {
	case "cmd":
		return slices.ContainsFunc(words[1:], func(w string) bool { return strings.EqualFold(w, "/c") })
	case "powershell", "pwsh":
		return slices.ContainsFunc(words[1:], func(w string) bool { return strings.EqualFold(w, "-command") || strings.EqualFold(w, "-c") })
	case "sh", "bash", "ash", "dash", "zsh", "ksh", "mksh", "fish":
	default:
		return false
	}
	for i := 1; i < len(words); i++ {
		switch w := words[i]; {
		case w == "-o" || w == "-O" || w == "+o" || w == "+O":
			i++
		case strings.HasPrefix(w, "--"), strings.HasPrefix(w, "+"):
		case !strings.HasPrefix(w, "-"):
			return strings.Contains(w, evidence.Masked)
		case strings.Contains(w, "c") || strings.Contains(w, evidence.Masked):
			return true
		}
	}
	return false
}

func (s *subject) healthcheck(want policy.Presence, c *evidence.Config) part {
	h := c.Healthcheck
	disabled := h != nil && len(h.Test) > 0 && h.Test[0] == "NONE"
	has := h != nil && len(h.Test) > 0 && !disabled
	p := part{examined: 1, met: "no health check"}
	if has {
		p.met = "there is a health check"
	}
	switch {
	case want == policy.Required && !has:
		m := "the image has no HEALTHCHECK"
		if disabled {
			m = "HEALTHCHECK NONE disables the health check"
		}
		p.violations = []Violation{{ID: "healthcheck", Message: m, Line: s.lineOf("HEALTHCHECK", ""), Fix: `add to the Dockerfile, as in: HEALTHCHECK CMD ["/app", "-health"] (podman and buildah keep it with --format docker only)`}}
	case want == policy.Forbidden && has:
		p.violations = []Violation{{ID: "healthcheck", Message: "the image has a HEALTHCHECK", Line: s.lineOf("HEALTHCHECK", ""), Fix: "remove HEALTHCHECK, or set HEALTHCHECK NONE where the base image brings it"}}
	case want != policy.Required && want != policy.Forbidden:
		p.undecided = noDemand
	}
	return p
}

func (s *subject) volumes(r policy.VolumeRule, c *evidence.Config) part {
	p := part{examined: len(c.Volumes), met: "no volume declared"}
	if len(r.Allowed) == 0 && len(r.Forbidden) == 0 {
		p.undecided = noDemand
	}
	if len(c.Volumes) > 0 {
		p.met = "volumes: " + shortList(c.Volumes)
	}
	for _, v := range c.Volumes {
		glob, err := forbidden(r.Forbidden, v)
		allowed, err2 := forbidden(r.Allowed, v)
		why := ""
		switch {
		case err != nil || err2 != nil:
			p.undecided = "a glob of the rule is no pattern"
		case strings.Contains(v, evidence.Masked):
			why = "which is masked and cannot be compared"
		case glob != "":
			why = fmt.Sprintf("which is forbidden by %q", glob)
		case len(r.Allowed) > 0 && allowed == "":
			why = "which is not among those allowed"
		}
		if why != "" {
			p.violations = append(p.violations, Violation{
				ID: v, Message: fmt.Sprintf("the image declares the volume %s, %s", v, why), Line: s.lineOf("VOLUME", v),
				Fix: "remove the VOLUME from the Dockerfile; one of the base image goes only with another base",
			})
		}
	}
	return p
}

func (s *subject) onBuild(c *evidence.Config) part {
	p := part{examined: len(c.OnBuild), met: "no triggers"}
	for i, t := range c.OnBuild {
		p.violations = append(p.violations, Violation{
			ID: fmt.Sprintf("onbuild:%d", i+1), Message: "the image sets a trigger for builds on it: ONBUILD " + shortText(t),
			Line: s.lineOf("ONBUILD", ""), Fix: "remove ONBUILD from the Dockerfile",
		})
	}
	return p
}

// shortText keeps messages readable.
func shortText(t string) string {
	const longest = 120
	return wording.Clip(strings.Join(strings.Fields(t), " "), longest)
}

// shortList is "a, b, c, d, e and 4 more".
func shortList(list []string) string {
	const shown = 5
	if len(list) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:shown], ", "), len(list)-shown)
	}
	return strings.Join(list, ", ")
}

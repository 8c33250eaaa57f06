// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

const secretFix = "revoke the credential and build without it: a secret mount for the build, the orchestrator's secrets at run time"

// configPath is the Path of findings in the image configuration.
const configPath = "image config"

// envSecrets judges everything in the configuration that looks like a credential.
func (s *subject) envSecrets(c *evidence.Config) part {
	p := part{examined: len(c.Env) + len(c.Labels) + len(c.History), met: "no credential found in the configuration"}
	if !s.evidence.Coverage.SecretScan {
		p.undecided = "the image was not searched for secrets"
	}
	seen, listed := map[string]bool{}, map[string]bool{}
	for _, k := range c.Credentials {
		listed[k.Rule], listed[k.Hash] = true, true
		place := strings.TrimSuffix(k.Place+":"+k.Name, ":")
		if seen[place] {
			continue
		}
		seen[place] = true
		p.violations = append(p.violations, Violation{
			ID: place, Message: fmt.Sprintf("%s holds what looks like a credential (%s)", placeWords(k), ruleWords(k.Rule)),
			Line: s.credentialLine(k), Fix: secretFix, Layer: s.stepLayer(c, k),
		})
	}
	for _, f := range s.findings(evidence.KindSecret) {
		if f.Path == configPath && !listed[f.ID] && (f.Hash == "" || !listed[f.Hash]) {
			p.violations = append(p.violations, Violation{Message: secretMessage(f.Finding), Finding: f.Finding, Fix: secretFix})
		}
	}
	return p
}

func placeWords(k evidence.Credential) string {
	switch k.Place {
	case "env":
		return "the environment variable " + k.Name
	case "history":
		return "step " + k.Name + " of the history"
	case "label", "annotation":
		return "the " + k.Place + " " + k.Name
	case "onbuild":
		return "trigger " + k.Name
	default:
		return "the " + cmp.Or(k.Place, "configuration")
	}
}

func ruleWords(rule string) string {
	if rule == "name" {
		return "by its name"
	}
	return cmp.Or(rule, "no rule given")
}

func (s *subject) credentialLine(k evidence.Credential) int {
	if keyword := map[string]string{"env": "ENV", "label": "LABEL"}[k.Place]; keyword != "" {
		return s.lineOf(keyword, k.Name)
	}
	return 0
}

// stepLayer is the layer of a credential in the history.
func (s *subject) stepLayer(c *evidence.Config, k evidence.Credential) evidence.Layer {
	for i := range c.History {
		if k.Place == "history" && k.Name == fmt.Sprint(i+1) {
			return s.historyLayer(c, i)
		}
	}
	return evidence.Layer{}
}

// historyLayer is the layer that a step made, where the history accounts for all.
func (s *subject) historyLayer(c *evidence.Config, step int) evidence.Layer {
	n, at := 0, -1
	for i, h := range c.History {
		if h.EmptyLayer {
			continue
		}
		if i == step {
			at = n
		}
		n++
	}
	if at < 0 || n != len(s.evidence.Layers) {
		return evidence.Layer{}
	}
	return evidence.Layer{Digest: s.evidence.Layers[at].Digest, DiffID: s.evidence.Layers[at].DiffID}
}

// history looks for steps of the build that are forbidden.
func (s *subject) history(r policy.HistoryRule, c *evidence.Config) part {
	p := part{examined: len(c.History), met: wording.Count(len(c.History), "step") + " of the history in order"}
	bad, err := searches(r.Forbidden)
	accept, err2 := searches(r.Accept)
	switch {
	case err != nil || err2 != nil:
		p.undecided = "an expression of the rule is no regular expression"
		return p
	case len(bad) == 0:
		p.undecided = noDemand
		return p
	case len(c.History) == 0:
		p.undecided = "the image has no history, so that the steps of its build are not known"
	case len(c.History) < len(s.evidence.Layers):
		p.undecided = fmt.Sprintf("the history has %s for %s, so that steps are missing", wording.Count(len(c.History), "step"), wording.Count(len(s.evidence.Layers), "layer"))
	}
	for i, h := range c.History {
		texts := []string{h.CreatedBy, instruction(h.CreatedBy)}
		if found(accept, texts) != "" {
			continue
		}
		message := ""
		if re := found(bad, texts); re != "" {
			message = fmt.Sprintf("step %d is forbidden by %q: %s", i+1, re, shortText(texts[1]))
		} else if hides(texts[1]) {
			message = fmt.Sprintf("step %d is masked in part, so that it cannot be compared: %s", i+1, shortText(texts[1]))
		}
		if message != "" {
			p.violations = append(p.violations, Violation{
				ID: fmt.Sprintf("step:%d", i+1), Message: message, Layer: s.historyLayer(c, i), Line: s.stepLine(h, texts[1]),
				Fix: "change this step of the Dockerfile; one of the base image goes only with another base",
			})
		}
	}
	return p
}

func searches(list []string) ([]*regexp.Regexp, error) {
	var out []*regexp.Regexp
	for _, e := range list {
		re, err := regexp.Compile(`(?s:` + e + `)`)
		if err != nil {
			return nil, err
		}
		out = append(out, re)
	}
	return out, nil
}

// found is the expression that matches one of the texts.
func found(list []*regexp.Regexp, texts []string) string {
	for _, re := range list {
		for _, t := range texts {
			if re.MatchString(t) {
				return strings.TrimSuffix(strings.TrimPrefix(re.String(), `(?s:`), `)`)
			}
		}
	}
	return ""
}

var stepForms = sync.OnceValue(func() (f struct{ shell, value *regexp.Regexp }) {
	f.shell = regexp.MustCompile(`^(?:RUN )?(?:\|[0-9]+ (?:.*? )?)?(?:/\S*/)?(?:ba|a|da|z|k)?sh (?:-o \S+ |-\w+ )*?-\w*c `)
	f.value = regexp.MustCompile(`(?:[=:]\\?["']?|(?i:bearer|basic|token) )` + regexp.QuoteMeta(evidence.Masked))
	return f
})

// instruction is a step of the history as a Dockerfile has it, whichever builder
// wrote it: "ADD file:… in /", "RUN apt-get update". On one line.
func instruction(createdBy string) string {
	s := strings.Join(strings.Fields(createdBy), " ")
	s = strings.TrimSuffix(s, " # buildkit")
	at := stepForms().shell.FindStringIndex(s + " ")
	if at == nil || at[1] > len(s) {
		return s
	}
	s = s[at[1]:]
	if rest, ok := strings.CutPrefix(s, "#(nop)"); ok {
		return strings.TrimSpace(rest)
	}
	return "RUN " + s
}

// hides says whether something is masked that is not the value of a name: what a
// build does must not hide behind a variable that looks like a credential.
func hides(step string) bool {
	return strings.Contains(stepForms().value.ReplaceAllString(step, ""), evidence.Masked)
}

// stepLine is the line of a step that made no layer; others have it from their layer.
func (s *subject) stepLine(h evidence.HistoryEntry, step string) int {
	keyword, rest, _ := strings.Cut(step, " ")
	if !h.EmptyLayer || rest == "" {
		return 0
	}
	return s.lineOf(keyword, rest)
}

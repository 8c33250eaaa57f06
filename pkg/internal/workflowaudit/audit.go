// SPDX-License-Identifier: Apache-2.0

// Package workflowaudit says what in a workflow or an action of GitHub would let somebody
// else decide what runs: what the hijack of a scanner's action in March 2026 made use of,
// and what would have stopped it.
package workflowaudit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/yamldoc"
)

var (
	pinned    = regexp.MustCompile(`^[A-Za-z0-9_.-]+/[A-Za-z0-9_./-]+@[0-9a-f]{40}$`)
	image     = regexp.MustCompile(`^docker://[^@]+@sha256:[0-9a-f]{64}$`)
	versioned = regexp.MustCompile(`^# v\d+\.\d+\.\d+$`)
	latest    = regexp.MustCompile(`(?i)(^|[^a-z0-9])latest($|[^a-z0-9])`)
	secret    = regexp.MustCompile(`(?i)\b(secrets\s*[.\[]|github\s*\.\s*token\b|github\s*\[)`)
	secretish = regexp.MustCompile(`(?i)(token|password|secret|credential|private-key)`)
)

// Kind is what a document is.
type Kind string

// The kinds. Other is neither: nothing is said about it.
const (
	Workflow Kind = "workflow"
	Action   Kind = "action"
	Other    Kind = ""
)

// Audit returns the kind of a document and one line for each rule that it breaks.
func Audit(data []byte) (Kind, []string, error) {
	first, second, err := yamldoc.Decode(data)
	if err != nil || second != nil || len(first.Content) == 0 {
		return Other, nil, err
	}
	a := audit{}
	root := first.Content[0]
	switch {
	case value(root, "jobs") != nil && value(root, "on") != nil:
		a.workflow(root)
		return Workflow, a.broken, nil
	case value(root, "runs") != nil && value(root, "name") != nil:
		a.action(root)
		return Action, a.broken, nil
	}
	return Other, nil, nil
}

type audit struct{ broken []string }

func (a *audit) say(n *yaml.Node, format string, args ...any) {
	a.broken = append(a.broken, fmt.Sprintf("line %d: ", n.Line)+fmt.Sprintf(format, args...))
}

func (a *audit) workflow(root *yaml.Node) {
	on := value(root, "on")
	for _, name := range append(scalars(on), keys(on)...) {
		if name == "pull_request_target" {
			a.say(on, "pull_request_target runs with a token that can write, on what anybody proposes")
		}
	}
	if p := value(root, "permissions"); p == nil {
		a.say(root, "no top-level permissions: a job without its own has all of the default")
	} else if p.Kind != yaml.MappingNode || len(p.Content) > 0 {
		a.say(p, "top-level permissions are not {}: each job names its own")
	}
	a.moving(root)
	for _, job := range values(value(root, "jobs")) {
		a.job(job)
	}
}

func (a *audit) job(job *yaml.Node) {
	writes := a.permissions(job)
	if inherit := value(job, "secrets"); inherit != nil {
		a.say(inherit, "secrets are handed to another workflow")
	}
	if uses := value(job, "uses"); uses != nil {
		a.uses(uses)
		a.inputs(job)
		if writes {
			a.say(uses, "a workflow of somebody else runs with a permission to write")
		}
		return
	}
	if value(job, "timeout-minutes") == nil {
		a.say(job, "a job without timeout-minutes")
	}
	for _, step := range items(value(job, "steps")) {
		a.step(step)
		if uses := value(step, "uses"); uses != nil && writes && (strings.HasPrefix(uses.Value, "actions/cache") || strings.Contains(uses.Value, "actions/ocigate")) {
			a.say(uses, "a cache, or the gate, in a job that can write")
		}
	}
}

// permissions demands that a job names its own, and says whether it can write.
func (a *audit) permissions(job *yaml.Node) bool {
	p := value(job, "permissions")
	switch {
	case p == nil:
		a.say(job, "a job without permissions")
		return false
	case p.Kind != yaml.MappingNode:
		a.say(p, "permissions %q: name them one by one", p.Value)
		return true
	}
	return slices.Contains(scalars(p), "write")
}

func (a *audit) action(root *yaml.Node) {
	inputs := value(root, "inputs")
	for _, name := range keys(inputs) {
		if secretish.MatchString(name) {
			a.say(inputs, "the input %s is a secret", name)
		}
	}
	runs := value(root, "runs")
	if using := value(runs, "using"); using == nil || using.Value != "composite" {
		a.say(runs, "an action that is not composite: what it runs cannot be read here")
	}
	a.moving(runs)
	for _, step := range items(value(runs, "steps")) {
		a.step(step)
	}
}

func (a *audit) step(step *yaml.Node) {
	if run := value(step, "run"); run != nil && strings.Contains(run.Value, "${{") {
		a.say(run, "an expression in a script: its value would be read as code")
	}
	a.inputs(step)
	uses := value(step, "uses")
	if uses == nil {
		return
	}
	a.uses(uses)
	if strings.HasPrefix(uses.Value, "actions/checkout@") {
		if p := value(value(step, "with"), "persist-credentials"); p == nil || p.Value != "false" {
			a.say(uses, "a checkout without persist-credentials: false leaves the token on the disk")
		}
	}
}

func (a *audit) uses(n *yaml.Node) {
	switch {
	case strings.HasPrefix(n.Value, "./"), image.MatchString(n.Value):
	case !pinned.MatchString(n.Value):
		a.say(n, "%s is not pinned by the 40 hexadecimal digits of a commit", n.Value)
	case !versioned.MatchString(n.LineComment):
		a.say(n, "%s has no comment with its version (# v1.2.3)", n.Value)
	}
}

// inputs are what is handed to code of somebody else.
func (a *audit) inputs(n *yaml.Node) {
	with := value(n, "with")
	for _, v := range values(with) {
		if secret.MatchString(v.Value) {
			a.say(v, "a secret is handed to an action")
		}
	}
	if script := value(with, "script"); script != nil && strings.Contains(script.Value, "${{") {
		a.say(script, "an expression in a script: its value would be read as code")
	}
}

// moving finds what is something else tomorrow.
func (a *audit) moving(n *yaml.Node) {
	switch n.Kind {
	case yaml.ScalarNode:
		if latest.MatchString(n.Value) {
			a.say(n, "%q follows what is latest", n.Value)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if name := n.Content[i].Value; name != "description" && name != "name" {
				a.moving(n.Content[i+1])
			}
		}
	case yaml.SequenceNode:
		for _, e := range n.Content {
			a.moving(e)
		}
	}
}

// value is that of a key of a mapping, or nil.
func value(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func keys(n *yaml.Node) (names []string) {
	if n != nil && n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			names = append(names, n.Content[i].Value)
		}
	}
	return names
}

func values(n *yaml.Node) (vs []*yaml.Node) {
	if n != nil && n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			vs = append(vs, n.Content[i+1])
		}
	}
	return vs
}

// scalars are the values of a mapping or a list, or the one value.
func scalars(n *yaml.Node) (names []string) {
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	for _, e := range append(values(n), items(n)...) {
		names = append(names, e.Value)
	}
	return names
}

func items(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

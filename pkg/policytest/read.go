// SPDX-License-Identifier: Apache-2.0

package policytest

import (
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func (r *reader) document(root *yaml.Node) {
	if n := aliased(root); n != nil {
		r.fault(at(n), "write the value out", "YAML anchors, aliases and merge keys are not allowed")
		return
	}
	r.mapping(root, "the file", []key{
		{"version", true, func(n *yaml.Node) {
			if n.Value != "1" {
				r.fault(at(n), "", "version must be 1")
			}
		}},
		{"cases", true, func(n *yaml.Node) { r.list(n, "cases", r.readCase) }},
	})
}

func aliased(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Tag == "!!merge" {
		return n
	}
	for _, c := range n.Content {
		if found := aliased(c); found != nil {
			return found
		}
	}
	return nil
}

func (r *reader) readCase(n *yaml.Node) {
	c := Case{Position: at(n)}
	expects := false
	r.mapping(n, "a case", []key{
		{"name", true, r.text("name", &c.Name)},
		{"evidence", true, func(n *yaml.Node) { c.evidence = at(n); r.text("evidence", &c.Evidence)(n) }},
		{"effective-time", false, func(n *yaml.Node) { c.At = r.time(n) }},
		{"platform", false, func(n *yaml.Node) { c.Platform = r.platform(n) }},
		{"patch", false, func(n *yaml.Node) { c.patch = at(n); c.Patch = r.readPatch(n) }},
		{"expect", true, func(n *yaml.Node) { expects = true; r.expect(n, &c) }},
	})
	if expects && c.Status == "" && len(c.Rules) == 0 && !c.Exact && len(r.faults) == 0 {
		r.fault(c.Position, "write status, rules or exact", "the case expects nothing")
	}
	r.suite.Cases = append(r.suite.Cases, c)
}

func (r *reader) time(n *yaml.Node) time.Time {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, n.Value); err == nil {
			return t.UTC()
		}
	}
	r.fault(at(n), "write 2026-12-31 or 2026-12-31T12:00:00Z", "effective-time is no time")
	return time.Time{}
}

func (r *reader) platform(n *yaml.Node) string {
	p, err := evidence.ParsePlatform(n.Value)
	if err != nil {
		r.fault(at(n), "", "%v", err)
	}
	return p.String()
}

func (r *reader) readPatch(n *yaml.Node) map[string]any {
	patch := map[string]any{}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		r.fault(at(n), "", "patch must be a mapping: the parts of the evidence that are other than recorded")
		return nil
	}
	if err := n.Decode(&patch); err != nil {
		r.fault(at(n), "", "patch: %v", err)
	}
	return patch
}

func (r *reader) expect(n *yaml.Node, c *Case) {
	r.mapping(n, "expect", []key{
		{"status", false, oneOf(r, "status", &c.Status, verdict.Passed, verdict.Failed, verdict.Errored)},
		{"rules", false, func(n *yaml.Node) { r.expectRules(n, c) }},
		{"exact", false, func(n *yaml.Node) {
			var word string
			oneOf(r, "exact", &word, "true", "false")(n)
			c.Exact = word == "true"
		}},
	})
}

func (r *reader) expectRules(n *yaml.Node, c *Case) {
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		r.fault(at(n), "write {no-critical: fail}", "rules must be a mapping from rules to results")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if seen[k.Value] {
			r.fault(at(k), "", "duplicate key %q in rules", wording.Clip(k.Value, maxShown))
			continue
		}
		seen[k.Value] = true
		e := Expectation{Rule: k.Value}
		result := oneOf(r, "the result of "+wording.Clip(k.Value, maxShown), &e.Result, verdict.Pass, verdict.Fail, verdict.Warn, verdict.Skip, verdict.Error)
		if v.Kind == yaml.ScalarNode {
			result(v)
		} else {
			r.mapping(v, "the rule", []key{
				{"result", true, result},
				{"violations", false, r.count("violations", &e.Violations)},
				{"warnings", false, r.count("warnings", &e.Warnings)},
				{"waived", false, r.count("waived", &e.Waived)},
				{"ids", false, func(n *yaml.Node) {
					r.list(n, "ids", func(n *yaml.Node) {
						var id string
						r.text("an id", &id)(n)
						e.IDs = append(e.IDs, id)
					})
				}},
			})
		}
		c.Rules = append(c.Rules, e)
	}
}

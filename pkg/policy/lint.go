// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/yamldoc"
)

// IsWaiverFile says whether a document is a file of waivers and no policy: at its
// top there are waivers, and nothing that only a policy has.
func IsWaiverFile(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if checkText(data) != nil {
		return false
	}
	first, _, err := yamldoc.Decode(data)
	if err != nil || len(first.Content) == 0 || first.Content[0].Kind != yaml.MappingNode {
		return false
	}
	root := first.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		if k := root.Content[i].Value; k != "version" && k != "waivers" {
			return false
		}
	}
	return child(root, "waivers") != nil
}

// Notes are what a policy may well mean, and should know: what it says in vain, and what
// it gives away. They are no mistakes. What enforced documents say is their owners' affair.
func (p *Policy) Notes() []Diagnostic {
	all := []*Policy{p}
	for _, v := range p.variants {
		all = append(all, v)
	}
	n := &notes{policy: p, used: map[string]bool{}}
	for _, v := range all {
		base := slices.ContainsFunc(v.Rules, func(r Rule) bool { return r.Base != nil })
		for _, r := range v.Rules {
			n.rule(v, r, base)
		}
	}
	for _, a := range p.Authorities {
		n.authority(a)
	}
	slices.SortFunc(n.list, func(a, b Diagnostic) int { return cmp.Compare(a.File, b.File) })
	return sortDiagnostics(n.list)
}

type notes struct {
	policy *Policy
	used   map[string]bool
	list   []Diagnostic
}

func (n *notes) add(level int, source string, at Position, hint, format string, args ...any) {
	if !n.policy.EnforcedLevel(level) {
		n.list = append(n.list, Diagnostic{File: source, Position: at, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
}

func (n *notes) rule(v *Policy, r Rule, base bool) {
	s := r.signers()
	for _, name := range s.Authorities {
		n.used[name] = true
	}
	if s.Of == SignedBase && !base {
		n.add(r.Level, r.Source, r.Position, "add a rule under base, which demands that the image's layers prove its base",
			"rule %s is about the base image, and no rule demands that the lineage is proven", quote(r.ID))
	}
	if s.Min < 2 {
		return
	}
	const most = 50 // each is compared with each
	names := s.Authorities[:min(len(s.Authorities), most)]
	for i, one := range names {
		for _, other := range names[i+1:] {
			if a, b := v.Authority(one), v.Authority(other); a != nil && b != nil && a.shares(*b) {
				n.add(r.Level, r.Source, r.Position, "let no two of its authorities stand for the same signer",
					"rule %s wants %d signers, and %s and %s can be the same", quote(r.ID), s.Min, one, other)
				return
			}
		}
	}
}

// shares says whether two authorities evidently stand for one signer.
func (a Authority) shares(b Authority) bool {
	switch {
	case a.Key != nil && b.Key != nil:
		x, y := *a.Key, *b.Key
		return x.Data == y.Data && x.Env == y.Env && x.KMS == y.KMS && (x.File == nil) == (y.File == nil) &&
			(x.File == nil || x.File.Digest == y.File.Digest)
	case a.Keyless != nil && b.Keyless != nil:
		return slices.ContainsFunc(a.Keyless.Identities, func(x Identity) bool {
			return slices.ContainsFunc(b.Keyless.Identities, func(y Identity) bool { return reflect.DeepEqual(x, y) })
		})
	default:
		return false
	}
}

func (n *notes) authority(a Authority) {
	if !n.used[a.Name] && a.Source == n.policy.Source {
		n.add(a.Level, a.Source, a.Position, "name it in a rule, or leave it out", "authority %s is used by no rule", quote(a.Name))
	}
	if a.Keyless == nil || a.Keyless.TrustedRoot != nil {
		return
	}
	if a.Keyless.SCTOptional {
		n.add(a.Level, a.Source, a.Position, "leave sct out",
			"authority %s accepts certificates of the public good instance that no certificate transparency log has seen: nobody would notice one that was issued wrongly", quote(a.Name))
	}
	if a.LogOptional {
		n.add(a.Level, a.Source, a.Position, "leave transparency-log out",
			"authority %s accepts signatures of the public good instance that are not in its log: nobody would notice that an identity was stolen and used", quote(a.Name))
	}
}

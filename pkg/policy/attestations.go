// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/spelling"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// AttestationRule is about attestations: signed in-toto statements. One attestation
// that is by the authorities and meets all demands satisfies it, whatever others say.
type AttestationRule struct {
	Signers
	// PredicateTypes are URIs, any of which will do.
	PredicateTypes []string
	// Builders, Sources and BuildTypes are about SLSA provenance: builder ids and build
	// types exactly, globs of source repositories.
	Builders   []string `json:",omitempty"`
	Sources    []string `json:",omitempty"`
	BuildTypes []string `json:",omitempty"`
	// Conditions are about the predicate; each must hold.
	Conditions []Condition `json:",omitempty"`
	// Rego are modules that must deny nothing.
	Rego []*File `json:",omitempty"`
}

// AsksContent says whether the rule looks into the predicate.
func (r AttestationRule) AsksContent() bool {
	return len(r.Builders)+len(r.Sources)+len(r.BuildTypes)+len(r.Conditions)+len(r.Rego) > 0
}

// PredicateType is the URIs that a short name of cosign's stands for, or the URI itself.
// The names are those of `cosign attest --type`; a name also stands for the URIs that
// older and newer producers of the same document write.
func PredicateType(name string) (uris []string, ok bool) {
	switch name {
	case "slsaprovenance", "slsaprovenance02":
		return []string{"https://slsa.dev/provenance/v0.2"}, true
	case "slsaprovenance1":
		return []string{"https://slsa.dev/provenance/v1"}, true
	case "spdx", "spdxjson":
		return []string{"https://spdx.dev/Document", "https://spdx.dev/Document/v2.2", "https://spdx.dev/Document/v2.3", "https://spdx.dev/Document/v3.0"}, true
	case "cyclonedx":
		return []string{"https://cyclonedx.org/bom", "https://cyclonedx.org/bom/v1.4", "https://cyclonedx.org/bom/v1.5", "https://cyclonedx.org/bom/v1.6", "https://cyclonedx.org/bom/v1.7"}, true
	case "link":
		return []string{"https://in-toto.io/Link/v1"}, true
	case "vuln":
		return []string{"https://cosign.sigstore.dev/attestation/vuln/v1", "cosign.sigstore.dev/attestation/vuln/v1"}, true
	case "openvex":
		return []string{"https://openvex.dev/ns", "https://openvex.dev/ns/v0.2.0"}, true
	case "test-result":
		return []string{"https://in-toto.io/attestation/test-result/v0.1"}, true
	case "custom":
		return []string{"https://cosign.sigstore.dev/attestation/v1"}, true
	}
	scheme, rest, ok := strings.Cut(name, "://")
	return []string{name}, ok && isWord(scheme) && rest != "" && !strings.ContainsAny(name, " *")
}

// isProvenance says whether a predicate is SLSA provenance of a version that is understood.
func isProvenance(uri string) bool {
	return uri == "https://slsa.dev/provenance/v0.2" || uri == "https://slsa.dev/provenance/v1"
}

// PredicateWords names predicate types by their short names where there are such.
func PredicateWords(uris []string) []string {
	var words []string
	left := slices.Clone(uris)
	for _, name := range predicateNames() {
		if name == "spdx" { // the same as spdxjson, which is what people write
			continue
		}
		all, _ := PredicateType(name)
		if slices.ContainsFunc(all, func(uri string) bool { return !slices.Contains(left, uri) }) {
			continue
		}
		words = append(words, name)
		left = slices.DeleteFunc(left, func(uri string) bool { return slices.Contains(all, uri) })
	}
	return append(words, left...)
}

// predicateNames are the short names.
func predicateNames() []string {
	return []string{"slsaprovenance", "slsaprovenance02", "slsaprovenance1", "spdx", "spdxjson", "cyclonedx", "link", "vuln", "openvex", "test-result", "custom"}
}

func attestationGroup() group {
	return group{
		name: GroupAttestations, about: "Attestations of the image, or of its base: provenance, SBOM, scans, test results.",
		keys: (*parser).attestationKeys, check: (*parser).checkAttestation,
		title: func(r *Rule) string {
			return "The " + r.Attestations.thing() + " has an attestation of type " + wording.Or(PredicateWords(r.Attestations.PredicateTypes)) + " by " + r.Attestations.who() + r.Attestations.age()
		},
		remediation: func(r *Rule) string {
			return "Attest the " + r.Attestations.thing() + " by its digest with cosign attest, as " + r.Attestations.who() + "."
		},
	}
}

func (p *parser) attestationKeys(r *Rule) []key {
	own := &AttestationRule{}
	r.Attestations = own
	return append(p.signersKeys(&own.Signers),
		p.predicateTypeKey(&own.PredicateTypes).must(),
		p.listKey("builder", "SLSA provenance: the builder's id is one of these.", &own.Builders, fewerOrNew, p.line),
		p.listKey("source", "SLSA provenance: the repository that was built matches one of these globs of URLs, https://HOST/OWNER/NAME.", &own.Sources, fewerOrNew, p.sourceGlob),
		p.listKey("build-type", "SLSA provenance: the build type is one of these.", &own.BuildTypes, fewerOrNew, p.line),
		p.conditionsKey(&own.Conditions),
		p.filesKey("rego", "Rego modules of the package ocigate over the statement, whose deny must be empty.", &own.Rego),
	)
}

func (p *parser) checkAttestation(v value, r *Rule) {
	p.checkSigners(v, r.Attestations.Signers)
	other := slices.IndexFunc(r.Attestations.PredicateTypes, func(uri string) bool { return !isProvenance(uri) })
	if other < 0 {
		return
	}
	for _, name := range []string{"builder", "source", "build-type"} {
		if n := child(v.node, name); n != nil {
			p.report(p.place(n), v.path+"."+name, "leave it out, or demand predicateType: slsaprovenance1 or slsaprovenance02 alone; conditions look into other predicates",
				"%s is about SLSA provenance, and the rule accepts %s", name, quote(r.Attestations.PredicateTypes[other]))
		}
	}
}

// predicateTypeKey reads a short name or URI, or a list of which any will do.
func (p *parser) predicateTypeKey(into *[]string) key {
	one := func(v value) (string, bool) {
		s, ok := p.line(v)
		if !ok {
			return "", false
		}
		if _, ok := PredicateType(s); !ok {
			p.fault(v, didYouMean(spelling.Nearest(s, predicateNames())), "%s is no URI, and none of the names %s", quote(s), strings.Join(predicateNames(), ", "))
			return "", false
		}
		if strings.TrimRight(strings.ToLower(s), "/") == evidence.PredicateSignature {
			p.fault(v, "demand signatures by a rule under rules.signatures", "%s is the type of signatures, which are no attestations", quote(s))
			return "", false
		}
		return s, true
	}
	add := func(names []string) {
		for _, name := range names {
			uris, _ := PredicateType(name)
			for _, uri := range uris {
				if !slices.Contains(*into, uri) {
					*into = append(*into, uri)
				}
			}
		}
	}
	return key{name: "predicateType", about: "The type of the predicate: a name of cosign's (slsaprovenance1, spdxjson, cyclonedx, vuln, openvex, …) or a URI, or a list of which any will do.", tighten: fewerSigners,
		shape: shape{kind: shapeOneOf, oneOf: []shape{{kind: shapeString}, listOf(shape{kind: shapeString})}},
		read: func(v value) {
			if v.node.Kind != yaml.SequenceNode {
				if s, ok := one(v); ok {
					add([]string{s})
				}
				return
			}
			names, _ := p.strings(v, one)
			add(names)
		}}
}

// sourceGlob reads a glob of repositories as they are compared: without git+ and without
// the reference. Its host is written out: another host may hold any path.
func (p *parser) sourceGlob(v value) (string, bool) {
	s, ok := p.glob(v)
	if !ok {
		return "", false
	}
	rest, git := strings.CutPrefix(s, "git+")
	start, path, found := strings.Cut(strings.Replace(rest, "://", ":", 1), "/")
	switch {
	case !found || path == "" || !strings.Contains(rest, "://") || strings.ContainsAny(start, `*?[]{}\`):
		p.fault(v, "write https://HOST/OWNER/NAME; OWNER and NAME may be patterns", "%s names no host", quote(s))
	case git:
		p.fault(v, didYouMean(rest), "%s is compared without git+", quote(s))
	case strings.ContainsAny(path, "@#"):
		p.fault(v, "leave out what follows; demand a branch by the identity of an authority, or by conditions", "%s is more than a repository", quote(s))
	default:
		return s, true
	}
	return "", false
}

// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// basedOn is an image whose base has the items.
func basedOn(change func(*evidence.Base), items ...evidence.Signature) evidence.Evidence {
	return based(func(b *evidence.Base) {
		for i := range items {
			items[i].Digest = baseDigest
		}
		b.Signatures = signatures(items...)
		b.Signatures.Digests = []evidence.SignedDigest{{Digest: baseDigest, Kind: evidence.SignedIndex}, {Digest: "sha256:22", Kind: evidence.SignedManifest}}
		b.Signatures.Reference = "docker.io/library/alpine"
		if change != nil {
			change(b)
		}
	})
}

func lineageOf(l evidence.Lineage) func(*evidence.Base) {
	return func(b *evidence.Base) {
		b.Lineage, b.Layers, b.Reason, b.Hint = l, 0, "because", "do this"
		if l == evidence.LineageScratch {
			b.Reference, b.Signatures = "", nil
		}
	}
}

func TestRulesOfTheBase(t *testing.T) {
	s := signers("platform")
	s.Of = policy.SignedBase
	of := signatureRule(s)
	attested := attestationRule(func(r *policy.AttestationRule) { r.Signers = s })
	match := s
	match.Repository = policy.RepositoryMatch
	named := changed(item("platform"), func(it *evidence.Signature) { it.Repositories = []string{"index.docker.io/library/alpine"} })
	by := baseRule("s", policy.BaseRule{SignedBy: []string{"platform", "auditor"}})
	invalid := changed(item(), func(it *evidence.Signature) { it.Checks[1].Result = evidence.CheckInvalid })
	broken := func(b *evidence.Base) {
		b.Signatures.Authorities[1].Problem, b.Signatures.Authorities[1].Hint = "no key", "give one"
	}
	image := func(ev evidence.Evidence) evidence.Evidence { // signed is the image, not its base
		ev.Signatures = signatures(item("platform"))
		return ev
	}
	for name, c := range map[string]signedCase{
		"signed":               {of, basedOn(nil, item("platform")), verdict.Pass, "", "signed by platform", ""},
		"attested":             {attested, basedOn(nil, attestation(slsa, nil, "platform")), verdict.Pass, "", "attested by platform", ""},
		"unsigned":             {of, basedOn(nil), verdict.Fail, "unsigned", "the base image " + alpineBase + " is not signed by platform", "build on a base image that is signed by platform"},
		"only the image is":    {of, image(basedOn(nil)), verdict.Fail, "unsigned", "", ""},
		"other signer":         {of, basedOn(nil, item()), verdict.Fail, "other-signer", "", "identities"},
		"invalid":              {of, basedOn(nil, invalid), verdict.Fail, "invalid-signature", "", ""},
		"repository":           {signatureRule(match), basedOn(nil, named), verdict.Pass, "", "", ""},
		"another repository":   {signatureRule(match), basedOn(nil, item("platform")), verdict.Fail, "repository", "must name docker.io/library/alpine", ""},
		"nil":                  {of, based(nil), verdict.Error, "", "nobody looked", ""},
		"broken authority":     {of, basedOn(broken, item("platform")), verdict.Error, "", "no key", ""},
		"of another image":     {of, basedOn(func(b *evidence.Base) { b.Digest, b.ManifestDigest = "sha256:33", "sha256:44" }, item("platform")), verdict.Error, "", "not one of the base image", ""},
		"no base":              {of, good(), verdict.Error, "", "names no base image", ""},
		"unknown":              {of, basedOn(lineageOf(evidence.LineageUnknown), item("platform")), verdict.Error, "", "could not check whether the image is built on", ""},
		"zero lineage":         {of, basedOn(lineageOf(""), item("platform")), verdict.Error, "", "", ""},
		"disproven":            {of, basedOn(lineageOf(evidence.LineageDisproven), item("platform")), verdict.Error, "", "is not built on it (because)", ""},
		"not approved":         {of, basedOn(lineageOf(evidence.LineageNotApproved), item("platform")), verdict.Error, "", "not looked for", ""},
		"too many layers":      {of, basedOn(func(b *evidence.Base) { b.Layers = 9 }, item("platform")), verdict.Error, "", "9 layers", ""},
		"no name":              {of, basedOn(func(b *evidence.Base) { b.Reference = "" }, item("platform")), verdict.Error, "", "not known which image", ""},
		"scratch":              {of, basedOn(lineageOf(evidence.LineageScratch)), verdict.Fail, "scratch", "built from scratch", ""},
		"signed-by":            {by, basedOn(nil, item("platform")), verdict.Pass, "", "are the base's; signed by platform", ""},
		"signed-by, second":    {by, basedOn(nil, item("auditor")), verdict.Pass, "", "; signed by auditor", ""},
		"signed-by, unsigned":  {by, basedOn(nil), verdict.Fail, "signed-by", "not signed by auditor or platform", ""},
		"signed-by, other":     {by, basedOn(nil, item("release")), verdict.Fail, "signed-by", "", ""},
		"signed-by, SBOM":      {by, basedOn(nil, attestation(slsa, nil, "platform")), verdict.Fail, "signed-by", "no signature", ""},
		"signed-by, invalid":   {by, basedOn(nil, invalid), verdict.Fail, "signed-by", "invalid", ""},
		"signed-by, nil":       {by, based(nil), verdict.Error, "", "nobody looked", ""},
		"signed-by, broken":    {by, basedOn(broken), verdict.Error, "", "no key", ""},
		"signed-by, disproven": {by, basedOn(lineageOf(evidence.LineageDisproven), item("platform")), verdict.Fail, "lineage", "not built on", ""},
		"signed-by, unknown":   {by, basedOn(lineageOf(evidence.LineageUnknown), item("platform")), verdict.Error, "", "", ""},
		"signed-by, no name":   {by, basedOn(func(b *evidence.Base) { b.Reference = "" }, item("platform")), verdict.Error, "", "", ""},
	} {
		t.Run(name, c.run)
	}
}

// TestScratchBaseIsNotSigned: only a failing base rule of the same weight makes a rule
// about the base inapplicable.
func TestScratchBaseIsNotSigned(t *testing.T) {
	s := signers("platform")
	s.Of = policy.SignedBase
	scratch := basedOn(lineageOf(evidence.LineageScratch))
	scratch.Coverage.OS = evidence.OSFacts{}
	allowed := baseRule("b", policy.BaseRule{ScratchAllowed: true, SignedBy: []string{"platform"}})
	alpine := scratch
	alpine.Coverage.OS = evidence.OSFacts{Family: "alpine"}
	later, below := allowed, allowed
	later.From, below.Level = now.AddDate(0, 0, 1), 1
	for name, c := range map[string]struct {
		base   policy.Rule
		ev     evidence.Evidence
		result verdict.Result
	}{
		"allowed":             {allowed, scratch, verdict.Skip},
		"allowed, not true":   {allowed, alpine, verdict.Error},
		"allowed by a warner": {asWarning(allowed), scratch, verdict.Fail},
		"allowed from later":  {later, scratch, verdict.Error},
		"allowed below":       {below, scratch, verdict.Fail},
		"forbidden":           {baseRule("b", policy.BaseRule{Pinned: true}), scratch, verdict.Fail},
	} {
		p := trusting(c.base, signatureRule(s))
		p.Coverage.OSOptional = true
		if name == "allowed below" {
			p.Documents = []policy.DocumentRef{{Enforced: true}, {}}
		}
		if o := outcome(decide(p, c.ev), "s"); o.Result != c.result {
			t.Errorf("%s: %s %s", name, o.Result, o.Summary)
		}
	}
}

// TestUnsignedBaseIsTheApplications: findings in a base that must be signed are the
// base's only where it is.
func TestUnsignedBaseIsTheApplications(t *testing.T) {
	const nothing = "a1 application, b1 application, b2 application"
	for name, c := range map[string]struct {
		ev   evidence.Evidence
		want string
	}{
		"signed":   {basedOn(nil, item("platform")), "a1 application, b1 base, b2 application"},
		"unsigned": {basedOn(nil), nothing},
		"nil":      {based(nil), nothing},
		"other":    {basedOn(nil, item("release")), nothing},
	} {
		p := trusting(baseRule("b", policy.BaseRule{Images: []string{alpineGlob}, SignedBy: []string{"platform"}}))
		if got := origins(t, p, c.ev); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
		p.Rules = p.Rules[:1]
		p.Waivers = []policy.Waiver{{ID: "w", Rule: "b", Until: now.AddDate(0, 1, 0)}}
		if got := origins(t, p, c.ev); got != c.want {
			t.Errorf("%s, waived: %s", name, got)
		}
	}
}

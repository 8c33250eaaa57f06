// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

const (
	indexDigest = "sha256:1d"
	signPayload = "https://sigstore.dev/cosign/sign/v1"
	slsa        = "https://slsa.dev/provenance/v1"
	workflow    = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
	actions     = "https://token.actions.githubusercontent.com"
)

// says is a check: "verified", "other signer", "invalid" by each of the authorities.
func says(results map[string]evidence.CheckResult) []evidence.SignatureCheck {
	var out []evidence.SignatureCheck
	for _, name := range []string{"release", "platform", "auditor"} {
		r, ok := results[name]
		if !ok {
			r = evidence.CheckOtherSigner
		}
		c := evidence.SignatureCheck{Authority: name, Result: r}
		if r == evidence.CheckVerified {
			c.Time, c.TimeSource, c.Logged = ptr(now.Add(-48*time.Hour)), "transparency log", true
		} else {
			c.Reason = "because"
		}
		out = append(out, c)
	}
	return out
}

// item is a signature on the index which the named authorities verify.
func item(by ...string) evidence.Signature {
	results := map[string]evidence.CheckResult{}
	for _, name := range by {
		results[name] = evidence.CheckVerified
	}
	return evidence.Signature{
		Kind: evidence.KindSignature, Format: evidence.FormatBundle, Digest: indexDigest, Place: "sha256:ref", PredicateType: signPayload,
		Signer: evidence.Signer{Issuer: actions, Subject: workflow}, Checks: says(results),
	}
}

func attestation(predicateType string, predicate any, by ...string) evidence.Signature {
	it := item(by...)
	it.Kind, it.PredicateType, it.Predicate = evidence.KindAttestation, predicateType, predicate
	return it
}

func changed(it evidence.Signature, change func(*evidence.Signature)) evidence.Signature {
	it.Checks = slices.Clone(it.Checks)
	change(&it)
	return it
}

func signatures(items ...evidence.Signature) *evidence.Signatures {
	set := &evidence.Signatures{
		Reference: "registry.example.com/app",
		Digests:   []evidence.SignedDigest{{Digest: indexDigest, Kind: evidence.SignedIndex}, {Digest: "sha256:aa", Kind: evidence.SignedManifest}},
		Items:     items,
	}
	for _, name := range []string{"auditor", "platform", "release"} {
		state := evidence.AuthorityState{Name: name, Signer: "keyless: " + name}
		if name != "release" {
			state.Signer = "key sha256:" + name
		}
		set.Authorities = append(set.Authorities, state)
	}
	return set
}

func signedBy(items ...evidence.Signature) evidence.Evidence {
	return with(func(ev *evidence.Evidence) { ev.Subject.IndexDigest, ev.Signatures = indexDigest, signatures(items...) })
}

func signers(names ...string) policy.Signers {
	return policy.Signers{Of: policy.SignedImage, Authorities: names, Min: 1}
}

func signatureRule(s policy.Signers) policy.Rule {
	return policy.Rule{ID: "s", Group: policy.GroupSignatures, Action: policy.ActionFail, Signatures: &policy.SignatureRule{Signers: s}}
}

func attestationRule(change func(*policy.AttestationRule)) policy.Rule {
	r := &policy.AttestationRule{Signers: signers("release"), PredicateTypes: []string{slsa}}
	if change != nil {
		change(r)
	}
	return policy.Rule{ID: "s", Group: policy.GroupAttestations, Action: policy.ActionFail, Attestations: r}
}

func trusting(rs ...policy.Rule) *policy.Policy {
	p := rules(rs...)
	p.Authorities = []policy.Authority{
		{Name: "release", Keyless: &policy.Keyless{Identities: []policy.Identity{{Issuer: actions, Subject: workflow}}}},
		{Name: "platform", Key: &policy.AuthorityKey{File: &policy.File{Path: "platform.pub"}}},
		{Name: "auditor", Key: &policy.AuthorityKey{KMS: "gcpkms://projects/x"}},
	}
	return p
}

type signedCase struct {
	rule   policy.Rule
	ev     evidence.Evidence
	result verdict.Result
	// ids of the violations, and what the summary and the fixes hold.
	ids, says, fix string
}

func (c signedCase) run(t *testing.T) {
	t.Helper()
	o := outcome(decide(trusting(c.rule), c.ev), c.rule.ID)
	var ids, fixes []string
	for _, v := range o.Violations {
		ids, fixes = append(ids, v.ID), append(fixes, v.Fix)
		if v.Message == "" || v.Fix == "" {
			t.Errorf("violation %+v", v)
		}
	}
	if o.Result != c.result || strings.Join(ids, " ") != c.ids || !strings.Contains(o.Summary, c.says) || !strings.Contains(strings.Join(fixes, "\n"), c.fix) {
		t.Errorf("%s %q: %s; fixes %q\nwant %s %q %q %q", o.Result, ids, o.Summary, fixes, c.result, c.ids, c.says, c.fix)
	}
	if o.Result == verdict.Error && len(o.Problems) == 0 && !strings.Contains(o.Summary, "demands nothing") && !strings.HasSuffix(o.Summary, "which image the base is") {
		t.Errorf("an error without problems: %s", o.Summary)
	}
}

func TestSignatureRule(t *testing.T) {
	one := signatureRule(signers("release"))
	another := changed(item("platform"), func(it *evidence.Signature) { it.Signer.Subject = "somebody else" })
	two := func(n int, names ...string) policy.Rule {
		s := signers(names...)
		s.Min = n
		return signatureRule(s)
	}
	recent := signers("release")
	recent.MaxAge = 24 * time.Hour
	match := signers("release")
	match.Repository = policy.RepositoryMatch
	inStaging := signers("release")
	inStaging.Repository = policy.RepositorySource
	named := func(names ...string) evidence.Signature {
		return changed(item("release"), func(it *evidence.Signature) { it.Repositories = names })
	}
	going := func(destination string, names ...string) evidence.Evidence {
		ev := signedBy(named(names...))
		ev.Subject.Destination = destination
		return ev
	}
	invalid := changed(item(), func(it *evidence.Signature) {
		it.Checks[0].Result, it.Checks[0].Reason = evidence.CheckInvalid, "no log entry"
	})
	stranger := changed(item(), func(it *evidence.Signature) { it.Signer.Subject = "dev@example.com" })
	state := func(ev evidence.Evidence, change func(*evidence.Signatures)) evidence.Evidence {
		change(ev.Signatures)
		return ev
	}
	broken := func(ev evidence.Evidence, name string) evidence.Evidence {
		return state(ev, func(s *evidence.Signatures) {
			for i := range s.Authorities {
				if s.Authorities[i].Name == name {
					s.Authorities[i].Problem, s.Authorities[i].Hint = "the key is no key", "name another"
				}
			}
		})
	}
	problem := func(s *evidence.Signatures) {
		s.Problems = []evidence.Problem{{Area: evidence.AreaImage, Message: "401", Hint: "log in"}}
	}
	from := func(ev evidence.Evidence, source evidence.Source) evidence.Evidence {
		ev.Subject.Source, ev.Subject.Digest, ev.Subject.IndexDigest = source, "", ""
		ev.Signatures.Digests, ev.Signatures.Reference = nil, ""
		return ev
	}
	at := func(t time.Time) evidence.Signature {
		return changed(item("release"), func(it *evidence.Signature) { it.Checks[0].Time = &t })
	}
	for name, c := range map[string]signedCase{
		"signed": {one, signedBy(item("release")), verdict.Pass, "",
			"signed by release (" + workflow + ", issuer " + actions + ") on 2026-03-08, on the index " + indexDigest, ""},
		"signed by the manifest":                     {one, signedBy(changed(item("release"), func(it *evidence.Signature) { it.Digest, it.PredicateType = "sha256:aa", "" })), verdict.Pass, "", "on the manifest sha256:aa", ""},
		"signed, without a time":                     {one, signedBy(changed(item("release"), func(it *evidence.Signature) { it.Checks[0].Time = nil })), verdict.Pass, "", "), on the index", ""},
		"signed, among others":                       {one, signedBy(item(), invalid, item("platform"), item("release")), verdict.Pass, "", "signed by release", ""},
		"signed, though a problem":                   {one, state(signedBy(item("release")), problem), verdict.Pass, "", "", ""},
		"signed, though another authority is broken": {two(1, "release", "platform"), broken(signedBy(item("release")), "platform"), verdict.Pass, "", "", ""},
		"signed, though something is unreadable":     {one, signedBy(changed(item(), func(it *evidence.Signature) { it.Kind, it.Problem = evidence.KindUnreadable, "torn" }), item("release")), verdict.Pass, "", "", ""},
		"unsigned": {one, signedBy(), verdict.Fail, "unsigned", "not signed by release: nothing was found for the index sha256:1d and the manifest sha256:aa in registry.example.com/app",
			"cosign sign registry.example.com/app@sha256:1d, as release (" + workflow + ", issuer " + actions + ")"},
		"unsigned, key":          {signatureRule(signers("platform")), signedBy(), verdict.Fail, "unsigned", "", "cosign sign --key KEY registry.example.com/app@sha256:1d, as platform, whose private key is KEY"},
		"unsigned, KMS":          {signatureRule(signers("auditor")), signedBy(), verdict.Fail, "unsigned", "", "cosign sign --key gcpkms://projects/x registry"},
		"unsigned, with an SBOM": {one, signedBy(attestation("https://spdx.dev/Document", nil)), verdict.Fail, "unsigned", "; there is https://spdx.dev/Document", ""},
		"only an SBOM by us":     {one, signedBy(attestation("https://spdx.dev/Document", nil, "release")), verdict.Fail, "unsigned", "an attestation is no signature", ""},
		"an SBOM as signature":   {one, signedBy(changed(item("release"), func(it *evidence.Signature) { it.PredicateType = "https://spdx.dev/Document" })), verdict.Fail, "unsigned", "", ""},
		"another authority's":    {one, signedBy(item("platform")), verdict.Fail, "other-signer", "not signed by release, but by platform", "cosign sign registry.example.com/app@sha256:1d, as release (" + workflow},
		"other signer": {one, signedBy(stranger), verdict.Fail, "other-signer", "but by dev@example.com, issuer " + actions + ": because",
			`identities: [{issuer: "` + actions + `", subject: "dev@example.com"}]`},
		"whom the authority names": {one, signedBy(item()), verdict.Fail, "other-signer", "but by " + workflow + ", issuer " + actions + ": because",
			"cosign sign registry.example.com/app@sha256:1d, as release (" + workflow},
		"somebody without a name": {one, signedBy(changed(item(), func(it *evidence.Signature) { it.Signer = evidence.Signer{} })), verdict.Fail, "other-signer", "but by somebody whom it does not name: because", ""},
		"other signers": {one, signedBy(item(), changed(item(), func(it *evidence.Signature) { it.Signer = evidence.Signer{Key: "sha256:ab"} })), verdict.Fail, "other-signer",
			"it has 2 other signatures by " + workflow + ", issuer " + actions + ", key sha256:ab", ""},
		"an authority of no rule":     {two(1, "platform", "auditor"), signedBy(item("release")), verdict.Fail, "other-signer", "not signed by auditor or platform", ""},
		"invalid":                     {one, signedBy(invalid), verdict.Fail, "invalid-signature", "invalid: no log entry (sha256:ref)", "cosign sign"},
		"invalid, thrice":             {one, signedBy(invalid, item(), invalid, invalid), verdict.Fail, "invalid-signature", "and so are 2 more", ""},
		"nil":                         {one, good(), verdict.Error, "", "nobody looked for signatures", ""},
		"a problem":                   {one, state(signedBy(), problem), verdict.Error, "", "401", ""},
		"a problem, other signer":     {one, state(signedBy(item()), problem), verdict.Error, "", "401", ""},
		"the authority is broken":     {one, broken(signedBy(), "release"), verdict.Error, "", "release could not be asked: the key is no key", ""},
		"a broken authority verifies": {one, broken(signedBy(item("release")), "release"), verdict.Error, "", "could not be asked", ""},
		"one of two is broken":        {two(1, "release", "platform"), broken(signedBy(), "platform"), verdict.Error, "", "platform could not be asked", ""},
		"an authority was not asked":  {one, state(signedBy(item("release")), func(s *evidence.Signatures) { s.Authorities = s.Authorities[:2] }), verdict.Error, "", "was not asked", ""},
		"a check is missing":          {one, signedBy(changed(item(), func(it *evidence.Signature) { it.Checks = nil })), verdict.Error, "", "not known what the authority", ""},
		"a zero check":                {one, signedBy(changed(item(), func(it *evidence.Signature) { it.Checks[0].Result = "" })), verdict.Error, "", "", ""},
		"a result of the future":      {one, signedBy(changed(item(), func(it *evidence.Signature) { it.Checks[0].Result = "trusted" })), verdict.Error, "", "", ""},
		"two checks that differ":      {one, signedBy(changed(item("release"), func(it *evidence.Signature) { it.Checks[1].Authority = "release" })), verdict.Error, "", "", ""},
		"unreadable":                  {one, signedBy(changed(item("release"), func(it *evidence.Signature) { it.Kind, it.Problem = evidence.KindUnreadable, "torn" })), verdict.Error, "", "cannot be read: torn", ""},
		"a problem and verified":      {one, signedBy(changed(item("release"), func(it *evidence.Signature) { it.Problem = "torn" })), verdict.Error, "", "torn", ""},
		"of no kind":                  {one, signedBy(changed(item("release"), func(it *evidence.Signature) { it.Kind = "" })), verdict.Error, "", "", ""},
		"on another digest":           {one, signedBy(changed(item("release"), func(it *evidence.Signature) { it.Digest = "sha256:other" })), verdict.Error, "", "", ""},
		"of another image":            {one, state(signedBy(item("release")), func(s *evidence.Signatures) { s.Digests[0].Digest = "sha256:other" }), verdict.Error, "", "not one of the image", ""},
		"by no digest":                {one, state(signedBy(), func(s *evidence.Signatures) { s.Digests = nil }), verdict.Error, "", "by no digest", ""},
		"no authorities":              {signatureRule(policy.Signers{Of: policy.SignedImage, Min: 1}), signedBy(item("release")), verdict.Error, "", "demands nothing", ""},
		"of nothing":                  {signatureRule(policy.Signers{Authorities: []string{"release"}}), signedBy(item("release")), verdict.Error, "", "demands nothing", ""},
		"min 0 is 1":                  {two(0, "release"), signedBy(), verdict.Fail, "unsigned", "", ""},
		"two of two":                  {two(2, "release", "platform"), signedBy(item("release", "platform")), verdict.Pass, "", "signed by 2 of the 2 that must", ""},
		"two of three":                {two(2, "release", "platform", "auditor"), signedBy(item("release"), item("auditor")), verdict.Pass, "", "", ""},
		"one of two":                  {two(2, "release", "platform"), signedBy(item("release")), verdict.Fail, "other-signer", "by platform, but by release (1 of the 2", ""},
		"twice by one":                {two(2, "release", "platform"), signedBy(item("release"), item("release")), verdict.Fail, "other-signer", "", ""},
		"one name twice":              {two(2, "release", "release"), signedBy(item("release")), verdict.Fail, "min", "the rule names 1", ""},
		"one signer for two":          {two(2, "release", "platform"), sameKind("keyless: platform", item("release", "platform"), item("release", "platform")), verdict.Fail, "min", "for platform, release are 1 signer", "somebody else"},
		"one key for two":             {two(2, "platform", "auditor"), sameKind("key sha256:auditor", item("platform", "auditor")), verdict.Fail, "min", "1 signer", ""},
		"one for two of three":        {two(2, "release", "platform", "auditor"), sameKind("keyless: platform", item("release", "platform")), verdict.Fail, "min", "", ""},
		"one for two, and a third":    {two(2, "release", "platform", "auditor"), sameKind("keyless: platform", item("release", "platform"), item("auditor")), verdict.Pass, "", "", ""},
		"two for two":                 {two(2, "release", "platform"), sameKind("keyless: platform", item("release", "platform"), another), verdict.Pass, "", "", ""},
		"one for two, and trouble":    {two(2, "release", "platform"), troubled(sameKind("keyless: platform", item("release", "platform"))), verdict.Error, "", "", ""},
		"two are missing":             {two(2, "release", "platform"), signedBy(invalid), verdict.Fail, "invalid-signature other-signer", "2 violations", ""},
		"too old":                     {signatureRule(recent), signedBy(item("release")), verdict.Fail, "too-old", "signed on 2026-03-08, 2d ago; at most 1d is allowed", "cosign sign"},
		"old and new":                 {signatureRule(recent), signedBy(item("release"), at(now)), verdict.Pass, "", "", ""},
		"no time":                     {signatureRule(recent), signedBy(changed(item("release"), func(it *evidence.Signature) { it.Checks[0].Time = nil })), verdict.Fail, "too-old", "age is not known", "timestamp authority"},
		"of the future":               {signatureRule(recent), signedBy(at(now.Add(2 * time.Hour))), verdict.Fail, "too-old", "yet to come", ""},
		"a clock ahead":               {signatureRule(recent), signedBy(at(now.Add(time.Minute))), verdict.Pass, "", "", ""},
		"the repository":              {signatureRule(match), signedBy(named("registry.example.com/tool", "registry.example.com:443/app:1")), verdict.Pass, "", "", ""},
		"not the destination":         {signatureRule(match), going("shop:2", "registry.example.com/app"), verdict.Fail, "repository", "must be for docker.io/library/shop", ""},
		"only the destination":        {signatureRule(match), going("shop:2", "docker.io/library/shop"), verdict.Fail, "repository", "must be for registry.example.com/app", ""},
		"both repositories":           {signatureRule(match), going("shop:2", "shop", "registry.example.com/app"), verdict.Pass, "", "", ""},
		"in staging":                  {signatureRule(inStaging), going("shop:2", "registry.example.com/app"), verdict.Pass, "", "", ""},
		"not in staging":              {signatureRule(inStaging), going("shop:2", "docker.io/library/shop"), verdict.Fail, "repository", "must be for registry.example.com/app", ""},
		"no name to go by":            {signatureRule(match), going("UPPER/case", "registry.example.com/app"), verdict.Error, "", "is not known", ""},
		"an archive goes": {signatureRule(match), func() evidence.Evidence {
			ev := going("shop:2", "docker.io/library/shop")
			ev.Subject.Source, ev.Subject.Name = evidence.SourceOCI, "registry.example.com/app:1"
			return ev
		}(), verdict.Pass, "", "", ""},
		"another repository": {signatureRule(match), signedBy(named("registry.example.com/dev-tool")), verdict.Fail, "repository", "made for registry.example.com/dev-tool, and must be for registry.example.com/app", ""},
		"no repository":      {signatureRule(match), signedBy(named()), verdict.Fail, "repository", "names no repository", "--new-bundle-format=false"},
		"no image name":      {signatureRule(match), signedBy(named("", "::", "UPPER/case")), verdict.Fail, "repository", "", ""},
		"nowhere": {signatureRule(match), func() evidence.Evidence {
			ev := signedBy(named("registry.example.com/app"))
			ev.Subject.Source, ev.Subject.Name = evidence.SourceOCI, "registry.example.com/app:1"
			return ev
		}(), verdict.Error, "", "is not known", ""},
		"the daemon":            {one, from(signedBy(), evidence.SourceDockerDaemon), verdict.Fail, "unsigned", "its source, docker-daemon, holds no signatures", "save it as an archive, and give the bundle of release for that with --bundle FILE"},
		"a docker archive":      {one, from(signedBy(), evidence.SourceDockerArchive), verdict.Fail, "unsigned", "its source, docker-archive, holds no signatures", "with --bundle FILE, as cosign sign-blob --bundle FILE makes it of the archive"},
		"an archive's file":     {one, archived(evidence.SourceDockerArchive), verdict.Pass, "", "on the archive sha256:f1", ""},
		"a daemon and a bundle": {one, from(signedBy(changed(item("release"), func(it *evidence.Signature) { it.Digest = "" })), evidence.SourceDockerDaemon), verdict.Error, "", "by no digest that is known", ""},
		"a daemon's file":       {one, archived(evidence.SourceDockerDaemon), verdict.Error, "", "not one of the image", ""},
		"not opened": {one, func() evidence.Evidence {
			ev := signedBy(item("release"))
			ev.Problems = []evidence.Problem{{Area: evidence.AreaImage, Message: "no"}}
			return ev
		}(), verdict.Error, "", "image could not be decided", ""},
	} {
		t.Run(name, c.run)
	}
}

// sameKind is evidence where the authority platform has the signer given.
func sameKind(signer string, items ...evidence.Signature) evidence.Evidence {
	ev := signedBy(items...)
	ev.Signatures.Authorities[1].Signer = signer
	return ev
}

func troubled(ev evidence.Evidence) evidence.Evidence {
	ev.Signatures.Problems = []evidence.Problem{{Area: evidence.AreaImage, Message: "a registry in trouble"}}
	return ev
}

// archived is evidence of an archive whose file is signed by a detached bundle.
func archived(source evidence.Source) evidence.Evidence {
	ev := signedBy(changed(item("release"), func(it *evidence.Signature) {
		it.Digest, it.Format, it.PredicateType = "sha256:f1", evidence.FormatDetached, ""
	}))
	ev.Subject.Source, ev.Subject.Digest, ev.Subject.IndexDigest = source, "", ""
	ev.Signatures.Digests = []evidence.SignedDigest{{Digest: "sha256:f1", Kind: evidence.SignedArchive}}
	return ev
}

// TestMoreItemsNeverHurt: whatever is added to what passes, it passes.
func TestMoreItemsNeverHurt(t *testing.T) {
	rs := []policy.Rule{signatureRule(signers("release")), attestationRule(func(r *policy.AttestationRule) { r.Builders = []string{"b"} })}
	provenance := map[string]any{"runDetails": map[string]any{"builder": map[string]any{"id": "b"}}}
	junk := []evidence.Signature{{}, item(), item("platform"), attestation(slsa, nil, "release"), attestation(slsa, "x", "release"), attestation(slsa, provenance)}
	for _, kind := range []evidence.SignatureKind{"", evidence.KindSignature, evidence.KindAttestation, evidence.KindUnreadable} {
		for _, result := range []evidence.CheckResult{"", evidence.CheckInvalid, evidence.CheckVerified, "x"} {
			for _, digest := range []string{"", indexDigest, "sha256:zz"} {
				junk = append(junk, changed(item(), func(it *evidence.Signature) {
					it.Kind, it.Digest, it.Problem, it.Checks[0].Result = kind, digest, fmt.Sprint(result), result
				}))
			}
		}
	}
	p := trusting(rs[0], rs[1])
	p.Rules[1].ID = "a"
	var items []evidence.Signature
	for i, j := range append([]evidence.Signature{{}}, junk...) {
		if items = append(items, j); i == 0 {
			items = []evidence.Signature{item("release"), attestation(slsa, provenance, "release")}
		}
		for _, order := range [][]evidence.Signature{items, reversed(items)} {
			v := decide(p, signedBy(order...))
			for _, id := range []string{"s", "a"} {
				if o := outcome(v, id); o.Result != verdict.Pass {
					t.Fatalf("with %d items: %s: %s %s", len(order), id, o.Result, o.Summary)
				}
			}
		}
	}
}

func reversed(items []evidence.Signature) []evidence.Signature {
	out := slices.Clone(items)
	slices.Reverse(out)
	return out
}

// FuzzSignatures: whatever evidence says, nothing passes without an item that the
// authority verified, and nobody panics.
func FuzzSignatures(f *testing.F) {
	for _, ev := range []evidence.Evidence{
		good(), signedBy(), signedBy(item("release"), item()), signedBy(attestation(slsa, map[string]any{"a": []any{map[string]any{"b": 1.0}}}, "release")),
		basedOn(nil, item("release")), archived(evidence.SourceDockerArchive),
	} {
		b, err := json.Marshal(ev)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "https://github.com/acme/*", "x|y", 1)
	}
	f.Fuzz(func(t *testing.T, b []byte, glob, pattern string, n int) {
		var ev evidence.Evidence
		if json.Unmarshal(b, &ev) != nil {
			return
		}
		s := signers("release")
		s.MaxAge, s.Repository = time.Duration(n)*time.Hour, []policy.RepositoryName{"", policy.RepositoryMatch, policy.RepositorySource}[n%3]
		content := attestationRule(func(r *policy.AttestationRule) {
			r.Sources = []string{glob}
			r.Conditions = []policy.Condition{{Path: "a", Steps: []policy.Step{{Key: "a"}, {All: true}, {Key: "b", Index: &n}}, Matches: pattern, AtLeast: ptr(1.0)}}
		})
		of := s
		of.Of = policy.SignedBase
		base, ofBase := baseRule("b", policy.BaseRule{SignedBy: []string{"release"}}), signatureRule(of)
		content.ID, ofBase.ID = "content", "ofBase"
		p := trusting(signatureRule(s), content, ofBase, base)
		before, _ := json.Marshal(ev)
		for _, scope := range []verdict.Scope{"", verdict.ScopeSignatures} {
			v := verdict.Decide(verdict.Input{Policy: p, Evidence: []evidence.Evidence{ev}, EffectiveTime: now, Scope: scope})
			verified := func(set *evidence.Signatures) bool {
				return set != nil && slices.ContainsFunc(set.Items, func(it evidence.Signature) bool {
					return slices.ContainsFunc(it.Checks, func(c evidence.SignatureCheck) bool {
						return c.Authority == "release" && c.Result == evidence.CheckVerified
					})
				})
			}
			got := results(v)
			if (got["s"] == verdict.Pass || got["content"] == verdict.Pass) && !verified(ev.Signatures) {
				t.Fatalf("passes: %v", got)
			}
			if (got["b"] == verdict.Pass || got["ofBase"] == verdict.Pass) && (ev.Base == nil || !verified(ev.Base.Signatures)) {
				t.Fatalf("the base passes: %v", got)
			}
			for _, s := range []string{"s", "content", "b", "ofBase"} {
				if o := outcome(v, s); o.Summary == "" {
					t.Fatalf("%s has no summary", s)
				}
			}
		}
		if after, _ := json.Marshal(ev); !bytes.Equal(before, after) {
			t.Fatal("the input changed")
		}
	})
}

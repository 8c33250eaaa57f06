// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
)

const (
	actions  = "https://token.actions.githubusercontent.com"
	workflow = "https://github.com/acme/shop/.github/workflows/release.yml@refs/heads/main"
	slsa     = "https://slsa.dev/provenance/v1"
)

// signing is a verdict on an image that is signed, attested, and built on a signed base.
func signing(change func(*verdict.Input)) verdict.Verdict {
	rule := func(line int, id string, g policy.Group) policy.Rule {
		return policy.Rule{ID: id, Group: g, Action: policy.ActionFail, Position: policy.Position{Line: line, Column: 7}}
	}
	built, made, base, of := rule(31, "built-by-us", policy.GroupSignatures), rule(35, "provenance", policy.GroupAttestations), rule(41, "approved-base", policy.GroupBase), rule(45, "base-attested", policy.GroupAttestations)
	release := policy.Signers{Of: policy.SignedImage, Authorities: []string{"release"}, Min: 1}
	built.Signatures = &policy.SignatureRule{Signers: release}
	made.Attestations = &policy.AttestationRule{Signers: release, PredicateTypes: []string{slsa}, Sources: []string{"https://github.com/acme/*"}}
	base.Base = &policy.BaseRule{Images: []string{"docker.io/library/alpine"}, SignedBy: []string{"platform"}}
	of.Attestations = &policy.AttestationRule{Signers: policy.Signers{Of: policy.SignedBase, Authorities: []string{"platform"}, Min: 1}, PredicateTypes: []string{"https://spdx.dev/Document"}}
	of.Action = policy.ActionWarn
	ev := image("shop:1.4")
	ev.Signatures = &evidence.Signatures{
		Reference:   "docker.io/library/shop",
		Digests:     []evidence.SignedDigest{{Digest: sha("b"), Kind: evidence.SignedIndex}, {Digest: sha("a"), Kind: evidence.SignedManifest}},
		Authorities: []evidence.AuthorityState{{Name: "release", Signer: "keyless: " + actions + " " + workflow, TrustRoot: "the public good instance"}},
		Items: []evidence.Signature{
			signedItem(evidence.KindAttestation, slsa, sha("b"), "release", map[string]any{"buildDefinition": map[string]any{"externalParameters": map[string]any{"workflow": map[string]any{"repository": "https://github.com/acme/shop"}}}}),
			signedItem(evidence.KindSignature, "", sha("b"), "release", nil),
			{Kind: evidence.KindUnreadable, Format: evidence.FormatTag, Digest: sha("a"), Place: "sha256-aaaa.sig, layer 1", Problem: "the annotation is no base64"},
		},
	}
	ev.Base = &evidence.Base{
		Claims: []evidence.BaseClaim{{Source: evidence.ClaimFlag, Reference: "alpine:3.19"}}, Source: evidence.ClaimFlag, Reference: "docker.io/library/alpine:3.19", Digest: sha("7"), ManifestDigest: sha("8"),
		Lineage: evidence.LineageProven, Layers: 1, Reason: "the image's first layer, of 1, is the base's",
		Signatures: &evidence.Signatures{
			Reference: "docker.io/library/alpine", Digests: []evidence.SignedDigest{{Digest: sha("7"), Kind: evidence.SignedIndex}},
			Authorities: []evidence.AuthorityState{{Name: "platform", Signer: "key " + sha("6")}},
			Items:       []evidence.Signature{signedItem(evidence.KindSignature, "", sha("7"), "platform", nil)},
		},
	}
	in := verdict.Input{Policy: production(), Reference: "shop:1.4", EffectiveTime: now, Evidence: []evidence.Evidence{ev}}
	in.Policy.Waivers = nil
	in.Policy.Rules = append(in.Policy.Rules[:1], built, made, base, of)
	in.Policy.Authorities = []policy.Authority{
		{Name: "release", Keyless: &policy.Keyless{Identities: []policy.Identity{{Issuer: actions, Subject: workflow}}}}, {Name: "platform", Key: &policy.AuthorityKey{}},
	}
	if change != nil {
		change(&in)
	}
	return verdict.Decide(in)
}

func signedItem(kind evidence.SignatureKind, predicateType, digest, by string, predicate any) evidence.Signature {
	it := evidence.Signature{
		Kind: kind, Format: evidence.FormatBundle, Digest: digest, Place: sha("5"), PredicateType: predicateType, Predicate: predicate,
		Signer: evidence.Signer{Issuer: actions, Subject: workflow, Extensions: map[string]string{"buildTrigger": "push"}},
		Checks: []evidence.SignatureCheck{{Authority: by, Result: evidence.CheckVerified, Time: ptr(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)), TimeSource: "transparency log", Logged: true}},
	}
	if by == "platform" {
		it.Signer, it.Format, it.Checks[0].Time, it.Checks[0].TimeSource, it.Checks[0].Logged = evidence.Signer{Key: sha("6")}, evidence.FormatTag, nil, "", false
	}
	return it
}

// unsign leaves signatures by others, and a base that is not what it should be.
func unsign(in *verdict.Input) {
	ev := &in.Evidence[0]
	items := ev.Signatures.Items[:2]
	items[0].Checks[0] = evidence.SignatureCheck{Authority: "release", Result: evidence.CheckInvalid, Reason: "the entry of the log is another artifact's"}
	items[1].Checks[0] = evidence.SignatureCheck{Authority: "release", Result: evidence.CheckOtherSigner, Reason: "the subject is another"}
	items[1].Signer.Subject = "https://github.com/acme/shop/.github/workflows/test.yml@refs/pull/7/merge"
	ev.Signatures.Items = items
	ev.Base.Signatures.Items = nil
}

// unscanned leaves what is known without a layer.
func unscanned(in *verdict.Input) {
	ev := &in.Evidence[0]
	ev.Packages, ev.Coverage, ev.Database = nil, evidence.Coverage{}, evidence.DatabaseState{}
	ev.Layers[0].Verification = evidence.LayerNotVerified
}

func onlySignatures(in *verdict.Input) {
	unscanned(in)
	in.Scope = verdict.ScopeSignatures
	in.Policy.Rules = in.Policy.Rules[:4]
}

func hostileSignatures(a, b string) *evidence.Signatures {
	return &evidence.Signatures{
		Reference: a, Digests: []evidence.SignedDigest{{Digest: b, Kind: evidence.SignedKind(a)}},
		Authorities: []evidence.AuthorityState{{Name: a, Signer: b, TrustRoot: a, Problem: b, Hint: a}, {Name: b, Signer: a}},
		Items: []evidence.Signature{
			{Kind: evidence.SignatureKind(a), Format: evidence.SignatureFormat(b), Digest: b, Place: a, PredicateType: b, Problem: a},
			{Kind: evidence.KindAttestation, Digest: b, Place: b, PredicateType: a, Signer: evidence.Signer{Issuer: a, Subject: b}, Checks: []evidence.SignatureCheck{{Authority: a, Result: evidence.CheckResult(b), Reason: a}},
				Predicate: map[string]any{a: []any{b}}, Rego: []evidence.CustomResult{{Rule: a, Deny: []evidence.CustomMessage{{Message: b}}}}},
			{Kind: evidence.KindSignature, Digest: b, Place: a, Signer: evidence.Signer{Key: a, Extensions: map[string]string{a: b}}, Repositories: []string{a},
				Checks: []evidence.SignatureCheck{{Authority: a, Result: evidence.CheckVerified, Time: &now, TimeSource: b}, {Authority: b, Result: evidence.CheckInvalid, Reason: b}}},
		},
		Problems: []evidence.Problem{{Area: evidence.Area(a), What: b, Message: a, Hint: b}},
	}
}

// TestPartsAreNotTakenForTheWhole pins what tells a verdict on a part from a full one.
func TestPartsAreNotTakenForTheWhole(t *testing.T) {
	part := signing(onlySignatures)
	if part.Status != verdict.Passed {
		t.Fatal(part.Status)
	}
	until := now.AddDate(0, 0, 7)
	part.ForecastUntil = &until
	text, doc := render(t, part)
	for _, want := range []string{"PASSED (signatures only)  shop:1.4", "SIGNATURES ONLY", "not examined", "must not be used to push", "have no forecast"} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for _, never := range []string{"packages", "database  ", "0 files"} {
		if strings.Contains(text, never) {
			t.Errorf("%q is in\n%s", never, text)
		}
	}
	hostile := part
	hostile.Scope = "x\n::error::\x1b[2J"
	hostileText, hostileDoc := render(t, hostile)
	safe(t, hostileText)
	safe(t, hostileDoc)
	if !strings.Contains(doc, `"scope": "signatures"`) {
		t.Error("JSON has no scope")
	}
	back, err := report.ReadJSON(strings.NewReader(doc))
	if err != nil || back.Scope != verdict.ScopeSignatures {
		t.Errorf("read as %q: %v", back.Scope, err)
	}
	fast := verdicts()["failed-fast"]
	text, doc = render(t, fast)
	if !strings.Contains(text, "ENDED EARLY") || !strings.Contains(text, "1 not examined") || !strings.Contains(doc, `"failedFast": true`) {
		t.Errorf("%s", text)
	}
	for _, v := range []verdict.Verdict{part, fast} {
		e, err := report.Explain(v, "built-by-us")
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := report.ExplainText(&b, e, options); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "no layer was read") {
			t.Errorf("explained as\n%s", b.String())
		}
	}
}

// TestSignaturesAreToldOnce: what several authorities say alike, and digests that stand
// above, are told once.
func TestSignaturesAreToldOnce(t *testing.T) {
	text, _ := render(t, signing(func(in *verdict.Input) {
		s := in.Evidence[0].Signatures
		s.Digests = append(s.Digests, evidence.SignedDigest{Digest: sha("e"), Kind: evidence.SignedArchive})
		in.Evidence[0].Subject.Digest, in.Evidence[0].Subject.IndexDigest = sha("a"), sha("b")
		check := func(name string, r evidence.CheckResult, reason string) evidence.SignatureCheck {
			return evidence.SignatureCheck{Authority: name, Result: r, Reason: reason}
		}
		s.Items = []evidence.Signature{{Kind: evidence.KindSignature, Digest: sha("b"), Place: "here", Checks: []evidence.SignatureCheck{
			check("one", evidence.CheckOtherSigner, "another key"), check("two", evidence.CheckInvalid, "another key"), check("three", evidence.CheckOtherSigner, "another key"),
			check("four", evidence.CheckOtherSigner, "altered"), check("five", evidence.CheckOtherSigner, "another key"),
		}}}
	}))
	text = strings.Join(strings.Fields(text), " ")
	for s, want := range map[string]int{
		"here): not by one, three or five (another key); invalid for two (another key); not by four (altered)": 1,
		"for the index": 0, "for the manifest": 0, "for the archive " + sha("e"): 1,
	} {
		if got := strings.Count(text, s); got != want {
			t.Errorf("%q is there %d times, want %d, in\n%s", s, got, want, text)
		}
	}
}

func render(t *testing.T, v verdict.Verdict) (text, doc string) {
	t.Helper()
	var a, b bytes.Buffer
	if err := report.Text(&a, v, options); err != nil {
		t.Fatal(err)
	}
	if err := report.JSON(&b, v, options); err != nil {
		t.Fatal(err)
	}
	return a.String(), b.String()
}

// TestLargePredicatesAreLeftOut: a report holds what fits, and the verdict keeps the rest.
func TestLargePredicatesAreLeftOut(t *testing.T) {
	v := signing(nil)
	large := map[string]any{"x": strings.Repeat("y", evidence.MaxShownPredicate)}
	v.Subjects[0].Evidence.Signatures.Items[0].Predicate = large
	if _, doc := render(t, v); strings.Contains(doc, "yyyy") || strings.Contains(doc, "null") {
		t.Error("a large predicate is in the report")
	}
	if v.Subjects[0].Evidence.Signatures.Items[0].Predicate == nil {
		t.Error("the verdict was changed")
	}
}

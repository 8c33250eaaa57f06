// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// shownItems is how many of what was found a message names.
const shownItems = 3

// few joins the first of a list, and counts the rest.
func few(list []string, most int) string {
	if n := len(list) - most; n > 0 {
		return fmt.Sprintf("%s, and %d more", strings.Join(list[:most], ", "), n)
	}
	return strings.Join(list, ", ")
}

// verb is what authorities do: "signed", "attested".
func (g *signedJudge) verb() string {
	if g.kind == evidence.KindSignature {
		return "signed"
	}
	return "attested"
}

// met says who signed, when, and by which digest.
func (g *signedJudge) met(satisfied []standing) string {
	var by []string
	for _, st := range satisfied {
		text := st.authority
		if who := whoIs(st.item.Signer); who != "" {
			text += " (" + wording.ShortDigests(who) + ")"
		}
		if st.check.Time != nil {
			text += " on " + wording.Date(*st.check.Time)
		}
		on := ""
		if d := g.digestOf(st.item); d != nil {
			on = fmt.Sprintf(", on the %s %s", d.Kind, wording.ShortDigests(d.Digest))
		}
		if g.kind == evidence.KindAttestation {
			on = ", as " + st.item.PredicateType + on
		}
		by = append(by, text+on)
	}
	if n := max(1, g.Min); n > 1 {
		return fmt.Sprintf("%s by %d of the %d that must: %s", g.verb(), len(by), n, few(by, shownItems))
	}
	return g.verb() + " by " + few(by, shownItems)
}

// whoIs names a signer: the certificate's subject, or the key.
func whoIs(s evidence.Signer) string {
	switch {
	case s.Subject != "" && s.Issuer != "":
		return s.Subject + ", issuer " + s.Issuer
	case s.Subject != "":
		return s.Subject
	case s.Key != "":
		return "key " + s.Key
	default:
		return ""
	}
}

// violations are those of the authorities that come nearest, as many as are missing:
// who waives one of them still owes the others.
func (g *signedJudge) violations(satisfied, rest []standing, missing int) []Violation {
	slices.SortStableFunc(rest, func(a, b standing) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(len(a.lacks), len(b.lacks)))
	})
	if len(rest) == 0 || missing > len(rest) {
		return []Violation{{ID: "min", Message: fmt.Sprintf("%d authorities must have %s %s, and the rule names %d", g.Min, g.verb(), g.thing, len(satisfied)+len(rest)),
			Fix: "name more authorities in the rule, or demand fewer of them"}}
	}
	suffix := ""
	if g.Min > 1 {
		suffix = fmt.Sprintf(" (%d of the %d authorities that must have %s it)", len(satisfied), g.Min, g.verb())
	}
	var names []string
	for _, st := range rest {
		names = append(names, st.authority)
	}
	var out []Violation
	add := func(v Violation) {
		v.Message += suffix
		if !slices.ContainsFunc(out, func(o Violation) bool { return o.ID == v.ID && o.Message == v.Message }) {
			out = append(out, v)
		}
	}
	for _, st := range rest[:missing] {
		switch st.rank {
		case rankLacking:
			for _, l := range st.lacks {
				add(Violation{ID: l.id, Message: fmt.Sprintf("%s %s %s (%s), but %s", st.authority, g.verb(), g.thing, wording.ShortDigests(st.item.Place), l.message), Fix: g.fixLack(st, l)})
			}
		case rankInvalid:
			add(g.invalid(st))
		case rankOtherKind:
			add(g.otherKind(st))
		default:
			add(g.unsigned(names, st))
		}
	}
	return out
}

func (g *signedJudge) noun() string {
	if g.kind == evidence.KindSignature {
		return "signature"
	}
	return "attestation"
}

func (g *signedJudge) invalid(st standing) Violation {
	n := 0
	for i := range g.signatures.Items {
		if it := &g.signatures.Items[i]; !g.isUnreadable(it) && g.look(st.authority, it).rank == rankInvalid {
			n++
		}
	}
	m := fmt.Sprintf("the %s of %s that should be by %s is invalid: %s (%s)", g.noun(), g.thing, st.authority, cmp.Or(st.check.Reason, "no reason is given"), wording.ShortDigests(st.item.Place))
	if n > 1 {
		m += fmt.Sprintf(", and so are %d more", n-1)
	}
	return Violation{ID: "invalid-signature", Message: m, Fix: g.fixSign(st.authority)}
}

func (g *signedJudge) otherKind(st standing) Violation {
	if g.kind == evidence.KindSignature {
		return Violation{ID: "unsigned", Fix: g.fixSign(st.authority),
			Message: fmt.Sprintf("%s is not signed by %s, who only attested %s, and an attestation is no signature", g.thing, st.authority, few(g.typesBy(st.authority), shownItems))}
	}
	return Violation{ID: "predicate-type", Fix: g.fixSign(st.authority),
		Message: fmt.Sprintf("%s has no attestation of type %s by %s, only %s", g.thing, g.typeWords(), st.authority, few(g.typesBy(st.authority), shownItems))}
}

// typeWords are the types that are demanded, by their short names.
func (g *signedJudge) typeWords() string { return wording.Or(policy.PredicateWords(g.types)) }

// cosignType is the first of them as cosign takes it, which checks what it has a name for.
func (g *signedJudge) cosignType() string {
	if name := policy.PredicateWords(g.types)[0]; name != "test-result" { // a name of ours
		return name
	}
	return g.types[0]
}

// typesBy are the types of what an authority verified.
func (g *signedJudge) typesBy(authority string) []string {
	var out []string
	for i := range g.signatures.Items {
		it := &g.signatures.Items[i]
		if g.isUnreadable(it) || g.look(authority, it).check.Result != evidence.CheckVerified {
			continue
		}
		if t := kindOf(it); !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// kindOf is what an item is, for a list: its predicate type, or "a signature".
func kindOf(it *evidence.Signature) string {
	if isSignature(it) {
		return "a signature"
	}
	return cmp.Or(it.PredicateType, "something of no type")
}

// unsigned is about what nobody of the rule had a hand in.
func (g *signedJudge) unsigned(names []string, st standing) Violation {
	who := wording.Or(names)
	var others, also []string
	for i := range g.signatures.Items {
		it := &g.signatures.Items[i]
		switch {
		case !g.wants(it):
			if t := kindOf(it); !slices.Contains(also, t) {
				also = append(also, t)
			}
		default:
			by := cmp.Or(verifiedBy(it), whoIs(it.Signer), "somebody whom it does not name")
			if !slices.Contains(others, by) {
				others = append(others, by)
			}
		}
	}
	what := g.thing + " is not signed"
	if g.kind == evidence.KindAttestation {
		what = g.thing + " has no attestation of type " + g.typeWords()
	}
	v := Violation{ID: "unsigned"}
	switch {
	case st.rank == rankOtherSigner:
		v.ID = "other-signer"
		v.Message = fmt.Sprintf("%s by %s: it has %s by %s", what, who, wording.Count(len(others), "other "+g.noun()), few(others, shownItems))
		v.Fix = g.fixSign(st.authority)
		if len(others) == 1 {
			v.Message = fmt.Sprintf("%s by %s, but by %s", what, who, others[0])
			if g.tellsMore(st) {
				v.Message += ": " + cmp.Or(st.check.Reason, "no reason is given")
			}
			v.Fix = g.suggestion(st.authority, st.item)
		}
		return v
	case g.noSource():
		v.Message = fmt.Sprintf("%s by %s, as far as anybody can see: its source, %s, holds no signatures", what, who, g.s.evidence.Subject.Source)
	default:
		v.Message = fmt.Sprintf("%s by %s: nothing was found for %s", what, who, g.where())
	}
	v.Fix = g.fixSign(st.authority)
	if len(also) > 0 {
		v.Message += "; there is " + few(also, shownItems)
	}
	return v
}

// noSource says that where the image is there cannot be signatures.
func (g *signedJudge) noSource() bool {
	source := g.s.evidence.Subject.Source
	return !g.isBase && (source == evidence.SourceDockerDaemon || source == evidence.SourceDockerArchive) &&
		(g.signatures == nil || len(g.signatures.Items) == 0)
}

// where is where signatures were looked for, and by which digests.
func (g *signedJudge) where() string {
	var ds []string
	for _, d := range g.signatures.Digests {
		ds = append(ds, fmt.Sprintf("the %s %s", d.Kind, wording.ShortDigests(d.Digest)))
	}
	s := cmp.Or(strings.Join(ds, " and "), "any digest")
	if g.signatures.Reference != "" {
		s += " in " + g.signatures.Reference
	}
	return s
}

// verifiedBy names the authorities that verified an item: empty for a stranger's.
func verifiedBy(it *evidence.Signature) string {
	var names []string
	for _, c := range it.Checks {
		if c.Result == evidence.CheckVerified {
			names = append(names, c.Authority)
		}
	}
	return few(names, shownItems)
}

// tellsMore says that the reason why an item is a stranger's tells more than the stranger's
// name: of certificates what differs, and of keys without a name what it may be.
func (g *signedJudge) tellsMore(st standing) bool {
	a := g.s.policy.Authority(st.authority)
	return verifiedBy(st.item) == "" && (whoIs(st.item.Signer) == "" || a != nil && a.Keyless != nil && st.item.Signer.Subject != "")
}

// suggestion is to sign, and what the policy's owner would write to trust a stranger.
// What an item that nobody verified says about its signer may be a lie. Whom the authority
// names already, and demands more of, is no stranger: the like would drop that demand.
func (g *signedJudge) suggestion(authority string, it *evidence.Signature) string {
	who := it.Signer
	if who.Issuer == "" || who.Subject == "" || verifiedBy(it) != "" || g.known(authority, who) {
		return g.fixSign(authority)
	}
	return fmt.Sprintf("%s; or, if that is who should sign, the policy's owner adds an authority: keyless: {identities: [{issuer: %s, subject: %s}]}",
		g.sign(authority, authority), strconv.Quote(who.Issuer), strconv.Quote(who.Subject))
}

// known says whether an identity of the authority has the signer's issuer and subject.
func (g *signedJudge) known(authority string, who evidence.Signer) bool {
	a := g.s.policy.Authority(authority)
	return a != nil && a.Keyless != nil && slices.ContainsFunc(a.Keyless.Identities, func(id policy.Identity) bool {
		return isValue(id.Issuer, id.IssuerRegExp, who.Issuer) && isValue(id.Subject, id.SubjectRegExp, who.Subject)
	})
}

// isValue compares as identities are compared: the whole value.
func isValue(exact, expression, value string) bool {
	if expression == "" {
		return exact == value
	}
	re, err := regexp.Compile("^(?:" + expression + ")$")
	return err == nil && re.MatchString(value)
}

// fixSign is the smallest action that adds what is missing.
func (g *signedJudge) fixSign(authority string) string {
	as := authority
	if a := g.s.policy.Authority(authority); a != nil && a.Keyless != nil && len(a.Keyless.Identities) > 0 {
		as += " (" + identityOfAuthority(a.Keyless.Identities[0]) + ")"
	}
	return g.sign(authority, as)
}

// sign is how to sign as an authority.
func (g *signedJudge) sign(authority, as string) string {
	switch {
	case g.isBase:
		return fmt.Sprintf("build on a base image that is %s by %s, or have its maintainers do so", g.verb(), authority)
	case !g.registry:
		return fmt.Sprintf("judge the image in a registry, where it is %s by its digest, or %s", g.verb(), g.byBundle(authority))
	}
	command := "cosign sign"
	if g.kind == evidence.KindAttestation {
		command = "cosign attest --type " + g.cosignType() + " --predicate FILE"
	}
	if a := g.s.policy.Authority(authority); a != nil && a.Key != nil {
		if a.Key.KMS != "" {
			command += " --key " + a.Key.KMS
		} else {
			command += " --key KEY"
			as += ", whose private key is KEY"
		}
	}
	return fmt.Sprintf("%s %s@%s, as %s", command, g.signatures.Reference, g.toSign(), as)
}

// byBundle is how a bundle helps: a daemon's image has no digest that one could be about.
func (g *signedJudge) byBundle(authority string) string {
	switch {
	case !g.archived && len(g.digests) == 0:
		return "save it as an archive, and give the bundle of " + authority + " for that with --bundle FILE"
	case g.archived && g.kind == evidence.KindSignature:
		return "give the bundle of " + authority + " with --bundle FILE, as cosign sign-blob --bundle FILE makes it of the archive"
	}
	return "give the bundle of " + authority + " with --bundle FILE"
}

func identityOfAuthority(id policy.Identity) string {
	subject, issuer := id.Subject, id.Issuer
	if subject == "" {
		subject = "a subject that matches " + strconv.Quote(id.SubjectRegExp)
	}
	if issuer == "" {
		issuer = "that matches " + strconv.Quote(id.IssuerRegExp)
	}
	return subject + ", issuer " + issuer
}

// toSign is the digest to sign: the index, which covers all platforms, if there is one.
func (g *signedJudge) toSign() string {
	best := ""
	for _, d := range g.signatures.Digests {
		if best == "" || d.Kind == evidence.SignedIndex {
			best = d.Digest
		}
	}
	return best
}

// fixLack is what to do about something verified that does not do.
func (g *signedJudge) fixLack(st standing, l lack) string {
	switch l.id {
	case "too-old":
		if st.check.Time == nil && !g.isBase {
			return "sign with a transparency log or a timestamp authority: " + g.fixSign(st.authority)
		}
	case "repository":
		if len(st.item.Repositories) == 0 && !g.isBase {
			return "bundles name no repository: sign with cosign sign --new-bundle-format=false, or let the policy's owner drop `repository: match`"
		}
	case "builder", "build-type", "source":
		if !g.isBase {
			return "build it where and from what the rule demands, and attest that build"
		}
	case "condition", "rego":
		if !g.isBase {
			return "make the " + g.noun() + " anew once that holds: " + g.fixSign(st.authority)
		}
	}
	return g.fixSign(st.authority)
}

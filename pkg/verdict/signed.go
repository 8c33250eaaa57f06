// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// artifact is what signatures are about: the image or its base.
type artifact struct {
	// thing is how messages call it.
	thing      string
	isBase     bool
	signatures *evidence.Signatures
	// digests are those of its manifest and index; archived says that it may be known by
	// the digest of the file that holds it.
	digests  []string
	archived bool
	// registry says that its source is one, so that a signature can be added there.
	registry bool
	// source is its name where it is, destination where it goes; empty where there is none.
	source, destination string
}

// demand is what a rule asks of what is signed.
type demand struct {
	policy.Signers
	kind evidence.SignatureKind
	// types are the predicate types, of attestations.
	types []string
	// content says what a verified attestation does not meet, and what of it cannot be
	// decided; nil where nothing is asked.
	content func(*evidence.Signature) (lacks []lack, open string)
}

// lack is one reason why something verified does not satisfy a rule.
type lack struct{ id, message string }

// rank orders how near an authority's best item is to satisfying a rule.
type rank int

const (
	rankSatisfied rank = iota
	// rankLacking: verified, but not all that the rule demands.
	rankLacking
	rankInvalid
	rankOtherSigner
	// rankOtherKind: verified, but an attestation where a signature is demanded, or of
	// another predicate type.
	rankOtherKind
	rankNothing
)

// standing is where one authority of a rule stands.
type standing struct {
	authority string
	rank      rank
	item      *evidence.Signature
	check     evidence.SignatureCheck
	lacks     []lack
	// signers are those by whom it is satisfied.
	signers []string
	// open are the reasons why it may stand better than this.
	open []evidence.Problem
}

// signedJudge is one rule on one artifact.
type signedJudge struct {
	s *subject
	artifact
	demand
	// repositories are those that what is signed must name.
	repositories []string
}

// signed judges whether enough authorities have signed. More items never make it worse:
// what satisfies the rule does so whatever else is there.
func (s *subject) signed(a artifact, d demand) judgement {
	j := judgement{noun: "violation"}
	g := &signedJudge{s: s, artifact: a, demand: d}
	if len(d.Authorities) == 0 || d.kind != evidence.KindSignature && len(d.types) == 0 {
		j.undecided = noDemand
		return j
	}
	if p := g.contradiction(); p != nil {
		return undecidedBy(j, *p)
	}
	j.examined = len(a.signatures.Items)
	var satisfied, rest []standing
	for _, name := range slices.Compact(slices.Sorted(slices.Values(d.Authorities))) {
		if st := g.stand(name); st.rank == rankSatisfied {
			satisfied = append(satisfied, st)
		} else {
			rest = append(rest, st)
		}
	}
	same := len(satisfied) - different(satisfied)
	missing := max(1, d.Min) - len(satisfied) + same
	if missing <= 0 {
		j.met = g.met(satisfied)
		return j
	}
	open := append(slices.Clone(a.signatures.Problems), g.unreadable()...)
	if same > 0 { // others may have signed for them, too
		rest = append(rest, satisfied...)
	}
	for _, st := range rest {
		open = append(open, st.open...)
	}
	if len(open) > 0 {
		return undecidedBy(j, open...)
	}
	if same > 0 {
		j.violations = []Violation{g.sameSigner(satisfied)}
		return j
	}
	j.violations = g.violations(satisfied, rest, missing)
	return j
}

// undecidedBy is a judgement that waits for what could not be checked.
func undecidedBy(j judgement, problems ...evidence.Problem) judgement {
	j.gaps.problems = append(j.gaps.problems, problems...)
	j.undecided = cmp.Or(problems[0].Message, "a problem without a reason")
	if n := len(problems) - 1; n > 0 {
		j.undecided += fmt.Sprintf(" (and %d more)", n)
	}
	return j
}

// contradiction is the reason why the evidence is none about the artifact; nil where it is.
func (g *signedJudge) contradiction() *evidence.Problem {
	problem := func(message, hint string) *evidence.Problem {
		return &evidence.Problem{Area: evidence.AreaImage, What: "signatures", Message: message, Hint: hint}
	}
	if g.signatures == nil {
		hint := ""
		if g.noSource() {
			hint = "its source holds none: judge it in a registry, or give its bundles with --bundle FILE"
		}
		return problem("nobody looked for signatures of "+g.thing, hint)
	}
	for _, d := range g.signatures.Digests {
		if !(d.Kind == evidence.SignedArchive && g.archived) && !slices.Contains(g.digests, d.Digest) {
			return problem(fmt.Sprintf("signatures were looked for by the digest %s, which is not one of %s", cmp.Or(d.Digest, "(none)"), g.thing), "")
		}
	}
	if g.registry && len(g.signatures.Digests) == 0 {
		return problem("signatures of "+g.thing+" were looked for by no digest", "")
	}
	if !g.nameRepositories() {
		return problem("the repository that "+g.thing+" is in, or goes to, is not known, so that no name in a signature can match it",
			"judge it in a registry; where the rule says `repository: match`, --destination REF is a name as well")
	}
	return nil
}

// unreadable are the items that might be anybody's.
func (g *signedJudge) unreadable() []evidence.Problem {
	const most = 5
	var out []evidence.Problem
	for i := range g.signatures.Items {
		it := &g.signatures.Items[i]
		if len(out) == most || !g.isUnreadable(it) {
			continue
		}
		p := evidence.Problem{
			Area: evidence.AreaImage, What: it.Place, Message: "what should be a signature or an attestation cannot be read: " + cmp.Or(it.Problem, "no reason is given"),
			Hint: "sign the image anew, or remove what is broken",
		}
		if it.Format == evidence.FormatDetached {
			p.Hint = "leave out --bundle for this file, or make it with cosign sign-blob --bundle FILE"
		}
		if it.Problem == "" && g.digestOf(it) == nil {
			p.Message = fmt.Sprintf("it is about %s by no digest that is known of it", g.thing)
			p.Hint = "judge the image where it has a digest: in a registry, an OCI layout, or an archive whose file was signed"
		}
		out = append(out, p)
	}
	return out
}

func (g *signedJudge) isUnreadable(it *evidence.Signature) bool {
	return it.Problem != "" || it.Kind != evidence.KindSignature && it.Kind != evidence.KindAttestation || g.digestOf(it) == nil
}

// digestOf is the digest that an item hangs on; nil where it is not one of the artifact's.
func (g *signedJudge) digestOf(it *evidence.Signature) *evidence.SignedDigest {
	i := slices.IndexFunc(g.signatures.Digests, func(d evidence.SignedDigest) bool { return d.Digest == it.Digest && d.Digest != "" })
	if i < 0 {
		return nil
	}
	return &g.signatures.Digests[i]
}

// stand looks for what is nearest to satisfying the rule among all items.
func (g *signedJudge) stand(name string) standing {
	best := standing{authority: name, rank: rankNothing}
	if p := g.notReady(name); p != nil {
		best.open = []evidence.Problem{*p}
		return best
	}
	var open []evidence.Problem
	var signers []string
	for i := range g.signatures.Items {
		it := &g.signatures.Items[i]
		if g.isUnreadable(it) {
			continue
		}
		st := g.look(name, it)
		open = append(open, st.open...)
		if st.rank == rankSatisfied {
			signers = append(signers, g.signer(name, it))
		}
		if st.rank < best.rank || st.rank == best.rank && len(st.lacks) < len(best.lacks) {
			best = st
		}
	}
	best.open, best.signers = open, signers
	return best
}

// notReady says why an authority verified nothing: it could not be made ready, or
// nobody asked it.
func (g *signedJudge) notReady(name string) *evidence.Problem {
	asked := false
	for _, a := range g.signatures.Authorities {
		if a.Name != name {
			continue
		}
		if asked = true; a.Problem != "" {
			return &evidence.Problem{Area: evidence.AreaImage, What: "authority " + name, Message: fmt.Sprintf("the authority %s could not be asked: %s", name, a.Problem), Hint: a.Hint}
		}
	}
	if !asked {
		return &evidence.Problem{Area: evidence.AreaImage, What: "authority " + name, Message: fmt.Sprintf("the authority %s was not asked about %s", name, g.thing)}
	}
	return nil
}

// look says where an authority stands by one item.
func (g *signedJudge) look(name string, it *evidence.Signature) standing {
	st := standing{authority: name, rank: rankNothing}
	wanted := g.wants(it)
	result, found := evidence.CheckResult(""), false
	for _, c := range it.Checks {
		if c.Authority != name {
			continue
		}
		// Of two checks by one authority, which contradict each other, neither counts.
		if found && c.Result != result {
			result = ""
			break
		}
		st.check, result, found = c, c.Result, true
	}
	st.item = it
	switch {
	case result == evidence.CheckVerified && !wanted:
		st.rank = rankOtherKind
	case !wanted:
	case result == evidence.CheckVerified:
		g.judgeItem(&st)
	case result == evidence.CheckInvalid:
		st.rank = rankInvalid
	case result == evidence.CheckOtherSigner:
		st.rank = rankOtherSigner
	default:
		st.open = []evidence.Problem{{Area: evidence.AreaImage, What: it.Place, Message: fmt.Sprintf("it is not known what the authority %s says about %s", name, it.Place)}}
	}
	return st
}

// wants says whether an item is of the kind that the rule is about.
func (g *signedJudge) wants(it *evidence.Signature) bool {
	if g.kind == evidence.KindSignature {
		return isSignature(it)
	}
	return it.Kind == g.kind && slices.Contains(g.types, it.PredicateType)
}

// isSignature demands of a signature in a bundle that its statement says so.
func isSignature(it *evidence.Signature) bool {
	return it.Kind == evidence.KindSignature && (it.PredicateType == "" || it.PredicateType == evidence.PredicateSignature)
}

// judgeItem judges what is verified by the further demands of the rule.
func (g *signedJudge) judgeItem(st *standing) {
	if l := g.age(st.check); l != nil {
		st.lacks = append(st.lacks, *l)
	}
	if l := g.repository(st.item); l != nil {
		st.lacks = append(st.lacks, *l)
	}
	open := ""
	if g.content != nil {
		var lacks []lack
		lacks, open = g.content(st.item)
		st.lacks = append(st.lacks, lacks...)
	}
	switch {
	case len(st.lacks) > 0: // certain, whatever is open
		st.rank = rankLacking
	case open != "":
		st.open = []evidence.Problem{{Area: evidence.AreaImage, What: st.item.Place, Message: fmt.Sprintf("the attestation by %s (%s) could not be judged: %s", st.authority, st.item.Place, open)}}
	default:
		st.rank = rankSatisfied
	}
}

// age judges the time of signing, as somebody vouches for it.
func (g *signedJudge) age(c evidence.SignatureCheck) *lack {
	switch {
	case g.MaxAge == 0:
	case c.Time == nil:
		return &lack{"too-old", "neither a timestamp authority nor the transparency log vouches for the time of signing, so its age is not known"}
	case c.Time.After(g.s.time.Add(skew)):
		return &lack{"too-old", fmt.Sprintf("it was signed on %s, which is yet to come", wording.Date(*c.Time))}
	case g.s.time.Sub(*c.Time) > g.MaxAge:
		return &lack{"too-old", fmt.Sprintf("it was signed on %s, %s ago; at most %s is allowed", wording.Date(*c.Time), wording.Age(g.s.time.Sub(*c.Time)), wording.Age(g.MaxAge))}
	}
	return nil
}

// nameRepositories notes which repositories what is signed must name. It is false where
// one is demanded and none is known.
func (g *signedJudge) nameRepositories() bool {
	names := nonEmpty(g.source)
	if g.Repository != policy.RepositorySource {
		names = nonEmpty(g.source, g.destination)
	}
	for _, name := range names {
		n, err := policy.ParseName(name)
		if err != nil {
			return g.Repository == ""
		}
		if r := n.Registry + "/" + n.Repository; !slices.Contains(g.repositories, r) {
			g.repositories = append(g.repositories, r)
		}
	}
	return g.Repository == "" || len(g.repositories) > 0
}

// repository judges what the signed payload calls the artifact.
func (g *signedJudge) repository(it *evidence.Signature) *lack {
	if g.Repository == "" {
		return nil
	}
	var named []string
	for _, r := range it.Repositories {
		if n, err := policy.ParseName(r); err == nil {
			named = append(named, n.Registry+"/"+n.Repository)
		}
	}
	missing := slices.DeleteFunc(slices.Clone(g.repositories), func(r string) bool { return slices.Contains(named, r) })
	switch {
	case len(missing) == 0 && len(g.repositories) > 0:
		return nil
	case len(it.Repositories) == 0:
		return &lack{"repository", "it names no repository, and must name " + strings.Join(missing, " and ")}
	}
	return &lack{"repository", fmt.Sprintf("it was made for %s, and must be for %s", few(it.Repositories, shownItems), strings.Join(missing, " and "))}
}

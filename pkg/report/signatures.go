// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// capSigned is how many signatures and attestations of one artifact are listed.
const capSigned = 10

// base says, each by itself, which image the base is said to be, whether the layers bear
// that out, and who signed it.
func (p *page) base(b *evidence.Base) {
	if b == nil {
		return
	}
	name := clean(b.Reference)
	switch {
	case name == "" && b.Lineage == evidence.LineageScratch:
		name = "none"
	case name == "":
		name = "not known"
	}
	if b.Source != "" {
		name += ", named by " + clean(string(b.Source))
	}
	p.field("base", name)
	if b.Digest != "" {
		p.field("", clean(b.Digest))
	}
	lineage := clean(string(cmp.Or(b.Lineage, evidence.LineageUnknown)))
	if b.Reason != "" {
		lineage += ": " + clean(b.Reason)
	}
	p.field("lineage", lineage)
	p.signatures("base signed", b.Signatures, b.Digest)
}

// signatures lists what was found of one artifact, and what the authorities say. The
// digests that signatures were looked for stand above it, but for those not told.
func (p *page) signatures(title string, s *evidence.Signatures, told ...string) {
	if s == nil {
		return
	}
	n := map[evidence.SignatureKind]int{}
	for _, it := range s.Items {
		switch it.Kind {
		case evidence.KindSignature, evidence.KindAttestation:
			n[it.Kind]++
		default:
			n[evidence.KindUnreadable]++
		}
	}
	found := wording.Count(n[evidence.KindSignature], "signature") + ", " + wording.Count(n[evidence.KindAttestation], "attestation")
	if k := n[evidence.KindUnreadable]; k > 0 {
		found += fmt.Sprintf(", %d unreadable", k)
	}
	if s.Reference != "" {
		found += " in " + clean(s.Reference)
	}
	p.field(title, found)
	for _, d := range s.Digests {
		if !slices.Contains(told, d.Digest) {
			p.field("", fmt.Sprintf("for the %s %s", clean(string(d.Kind)), clean(d.Digest)))
		}
	}
	for _, a := range s.Authorities {
		p.authority(a)
	}
	for _, it := range s.Items[:min(len(s.Items), capSigned)] {
		p.signed(it)
	}
	if rest := len(s.Items) - capSigned; rest > 0 {
		p.field("", fmt.Sprintf("… and %d more (see --output json=FILE)", rest))
	}
	for i, pr := range s.Problems {
		if i == capSigned {
			p.field("", fmt.Sprintf("… and %d more problems (see --output json=FILE)", len(s.Problems)-i))
			break
		}
		p.field("", "could not check: "+clean(pr.Message))
	}
}

func (p *page) authority(a evidence.AuthorityState) {
	line := "authority " + clean(a.Name)
	if a.Signer != "" {
		line += ": " + clean(a.Signer)
	}
	if a.TrustRoot != "" {
		line += ", trusts " + clean(a.TrustRoot)
	}
	if a.Problem != "" {
		line += "; could not be asked: " + clean(a.Problem)
	}
	p.field("", line)
}

// signed is one item: who verified it, or what speaks against it.
func (p *page) signed(it evidence.Signature) {
	what := clean(string(it.Kind))
	if what == "" {
		what = "unreadable"
	}
	if it.Kind == evidence.KindAttestation && it.PredicateType != "" {
		what += " of type " + clean(it.PredicateType)
	}
	line := fmt.Sprintf("- %s (%s): ", what, clean(wording.ShortDigests(it.Place)))
	p.wrap(16, blanks(14), line+verified(it))
}

// verified says who verified an item. Without anybody it is what the authorities say;
// whom the item names then is only its word.
func verified(it evidence.Signature) string {
	if it.Problem != "" {
		return clean(it.Problem)
	}
	var by, against []string
	for i, c := range it.Checks {
		if c.Result != evidence.CheckVerified {
			if names := alike(it.Checks, i); names != "" {
				c.Authority = names
			} else {
				continue
			}
		}
		switch c.Result {
		case evidence.CheckVerified:
			s := clean(c.Authority)
			if c.Time != nil {
				s += " on " + wording.Date(*c.Time)
				if c.TimeSource != "" {
					s += " by the " + clean(c.TimeSource)
				}
			}
			by = append(by, s)
		case evidence.CheckInvalid:
			against = append(against, "invalid for "+clean(c.Authority)+because(c.Reason))
		case evidence.CheckOtherSigner:
			against = append(against, "not by "+clean(c.Authority)+because(c.Reason))
		default:
			against = append(against, "not checked by "+clean(c.Authority)+because(c.Reason))
		}
	}
	switch {
	case len(by) > 0:
		return "verified by " + joined(by)
	case len(against) == 0:
		return "nobody was asked"
	}
	if who := claimed(it.Signer); who != "" {
		against = slices.Insert(against, 0, "names "+who)
	}
	return joined(against)
}

// alike are the authorities that say the same about an item as the i-th check; none where
// an earlier one does, which has told it.
func alike(checks []evidence.SignatureCheck, i int) string {
	var names []string
	for k, c := range checks {
		if c.Result != checks[i].Result || c.Reason != checks[i].Reason {
			continue
		}
		if k < i {
			return ""
		}
		names = append(names, c.Authority)
	}
	return wording.Or(names)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + clean(reason) + ")"
}

// claimed is whom an item names as its signer.
func claimed(s evidence.Signer) string {
	switch {
	case s.Subject != "":
		return clean(s.Subject)
	case s.Key != "":
		return "key " + clean(s.Key)
	default:
		return ""
	}
}

// joined shows the first few of a list.
func joined(list []string) string {
	const shown = 4
	text := ""
	for i, s := range list[:min(len(list), shown)] {
		if i > 0 {
			text += "; "
		}
		text += s
	}
	if rest := len(list) - shown; rest > 0 {
		text += fmt.Sprintf("; and %d more", rest)
	}
	return text
}

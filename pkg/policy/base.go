// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// BaseRule is about the base image. Whatever it says, it demands that the base image
// is named and that the claim is proven by the image's layers.
type BaseRule struct {
	// Images are globs of approved images.
	Images []string
	// Pinned demands that the base is named by digest.
	Pinned bool
	// LatestForbidden (`latest: forbidden`) refuses a base without tag and digest, or with the tag latest.
	LatestForbidden bool
	// MaxAge is the greatest age of the base image; 0 is any.
	MaxAge time.Duration
	// CurrentRequired (`current: required`) demands that the base's tag still leads to it.
	CurrentRequired bool
	// SignedBy are authorities any of which must have signed the base.
	SignedBy []string `json:",omitempty"`
	// ScratchAllowed (`scratch: allowed`) accepts an image that is built from scratch.
	ScratchAllowed bool
}

func baseGroup() group {
	return group{
		name: GroupBase, about: "The base image: named, proven by the image's layers, approved, pinned, not stale.",
		keys: (*parser).baseKeys, check: checkBase, title: baseTitle,
		remediation: func(*Rule) string {
			return "Build FROM an approved base image as it is now, named by tag and digest, and let the image say so: by BuildKit's provenance or the annotation org.opencontainers.image.base.name, or to this gate by --base or --dockerfile."
		},
	}
}

func (p *parser) baseKeys(r *Rule) []key {
	own := &BaseRule{}
	r.Base = own
	word := func(name, about string, into *bool, t tighten, yes string, others ...string) key {
		words := append([]string{yes}, others...)
		return key{name: name, about: about, tighten: t, shape: shape{kind: shapeString, enum: words},
			read: func(v value) { s, _ := p.enum(v, words...); *into = s == yes }}
	}
	return []key{
		p.listKey("images", "Globs of approved base images. One with a tag approves what that tag is now, one with a digest that very image.", &own.Images, fewerOrNew, p.baseGlob),
		p.boolKey("pinned", "The base is named by digest.", &own.Pinned, towardsFrom("false", "false", "true")),
		word("latest", "forbidden: the base has a tag other than latest, or a digest.", &own.LatestForbidden, demands, "forbidden"),
		p.durationKey("max-age", "The greatest age of the base image, from its creation to the effective time.", &own.MaxAge, lower),
		word("current", "required: the base's tag still leads to the base that the image is built on.", &own.CurrentRequired, demands, "required"),
		p.signedByKey(&own.SignedBy),
		word("scratch", "Whether an image may be built from scratch; default forbidden.", &own.ScratchAllowed, towardsFrom("forbidden", "allowed", "forbidden"), "allowed", "forbidden"),
	}
}

// signedByKey reads the name of an authority, or a list of which any will do.
func (p *parser) signedByKey(into *[]string) key {
	return key{name: "signed-by", about: "Who must have signed the base image: an authority, or a list of which any will do.", tighten: fewerSigners,
		shape: shape{kind: shapeOneOf, oneOf: []shape{{kind: shapeString}, listOf(shape{kind: shapeString})}},
		read: func(v value) {
			if v.node.Kind != yaml.SequenceNode {
				if s, ok := p.authorityReference(v); ok {
					*into = []string{s}
				}
				return
			}
			*into, _ = p.strings(v, p.authorityReference)
		}}
}

// fewerSigners is fewerOrNew for a name or a list of names.
func fewerSigners(enforced, mine *yaml.Node) bool {
	list := func(n *yaml.Node) *yaml.Node {
		if n == nil || n.Kind != yaml.ScalarNode {
			return n
		}
		return &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{n}}
	}
	return fewerOrNew(list(enforced), list(mine))
}

func checkBase(p *parser, v value, _ *Rule) {
	// By what is written, so that a faulty value is not reported twice.
	demands := slices.ContainsFunc([]string{"images", "pinned", "latest", "max-age", "current", "signed-by", "scratch"}, func(name string) bool {
		n := child(v.node, name)
		return n != nil && n.Value != "false" && n.Value != "allowed"
	})
	if !demands {
		p.demandsNothing(v, "images", "pinned", "latest", "max-age", "current", "signed-by", "scratch: forbidden")
	}
}

// baseGlob reads a glob of base images. One that can match none is a mistake.
func (p *parser) baseGlob(v value) (string, bool) {
	s, ok := p.referenceGlob(v)
	if !ok {
		return "", false
	}
	if s == "scratch" {
		p.fault(v, "write scratch: allowed", "scratch is no image")
		return "", false
	}
	_, _, digest := splitGlob(s)
	hex, sha := strings.CutPrefix(digest, "sha256:")
	wild := strings.ContainsAny(digest, `*?[{\`)
	if strings.Contains(s, "@") && !wild && (!sha || len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "") {
		p.fault(v, "a digest is sha256: and 64 hexadecimal digits", "%s ends in no digest", quote(s))
		return "", false
	}
	return s, true
}

func baseTitle(rule *Rule) string {
	r := rule.Base
	var is []string
	const shown = 3
	switch n := len(r.Images); {
	case n == 0:
	case n <= shown:
		is = append(is, wording.Or(r.Images))
	default:
		is = append(is, fmt.Sprintf("%s or one of %d more", strings.Join(r.Images[:shown], ", "), n-shown))
	}
	if r.Pinned {
		is = append(is, "pinned by digest")
	}
	if r.LatestForbidden {
		is = append(is, "not latest")
	}
	if r.CurrentRequired {
		is = append(is, "what its tag is now")
	}
	if len(r.SignedBy) > 0 {
		is = append(is, "signed by "+wording.Or(r.SignedBy))
	}
	if r.MaxAge > 0 {
		is = append(is, fmt.Sprintf("at most %s old", days(r.MaxAge)))
	}
	title := "The base image is known"
	if len(is) > 0 {
		title = "The base image is " + strings.Join(is, ", ")
	}
	if r.ScratchAllowed {
		title += ", or there is none"
	}
	return title
}

// NamesBase says whether a registry may be asked about a base that only an image
// names: a pattern in `images` of a base rule matches its full name, and names the
// registry literally.
func (p *Policy) NamesBase(reference string) bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool {
		return r.Base != nil && slices.ContainsFunc(r.Base.Images, func(glob string) bool {
			return hasLiteralRegistry(glob) && MatchReference(withoutDigest(glob, reference), reference)
		})
	})
}

// withoutDigest makes a pattern by digest match a name without one, whose digest
// is not known before the registry is asked.
func withoutDigest(glob, reference string) string {
	if strings.Contains(reference, "@") {
		return glob
	}
	glob, _, _ = strings.Cut(glob, "@")
	return glob
}

func hasLiteralRegistry(glob string) bool {
	repository, _, _ := splitGlob(glob)
	registry, _, ok := strings.Cut(repository, "/")
	return ok && !strings.ContainsAny(registry, `*?[]{}\!`)
}

// Approves says whether a base image matches one of the rule's globs. digests are
// those that the image is known by. A glob whose digest is written out needs no
// name: the digest is the image. The tag of reference counts only if it is shown to
// lead to the image; onTag says that a glob matches if it is.
func (r BaseRule) Approves(reference string, digests []string, tagShown bool) (approved, onTag bool) {
	repository := ""
	if n, err := parseName(reference); err == nil {
		repository = n.Registry + "/" + n.Repository
	}
	for _, glob := range r.Images {
		_, globTag, globDigest := splitGlob(glob)
		if globTag != "" && globDigest == "" && strings.Trim(globTag, "*") == "" {
			glob, globTag = strings.TrimSuffix(glob, ":"+globTag), "" // any tag
		}
		for _, digest := range append([]string{""}, digests...) {
			at := ""
			if digest != "" {
				at = "@" + digest
			}
			switch {
			case digest != "" && digest == globDigest, glob != "" && strings.Trim(glob, "*") == "", globTag == "" && MatchReference(glob, repository+at):
				return true, false
			case !MatchReference(glob, reference+at):
			case tagShown:
				return true, false
			default:
				onTag = true
			}
		}
	}
	return false, onTag
}

// checkOrigin reports a rule or waiver that asks for the origin of findings in a
// policy that says nothing about approved base images: any image could name a base
// of its own making. Both origins need it: below an enforced policy, a base rule of
// the repository would take findings out of `application`. Call it by p.checks.
func (p *parser) checkOrigin(v value) {
	approved := func(r Rule) bool { return r.Base != nil && r.Action == ActionFail && len(r.Base.Images) > 0 }
	if !slices.ContainsFunc(p.policy.Rules, approved) {
		p.fault(v, "add a rule under base with action fail and the approved images", "needs to know the approved base images, and no failing base rule names any")
	}
}

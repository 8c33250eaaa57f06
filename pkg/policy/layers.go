// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// LayerRule is about number, size and waste of the layers.
type LayerRule struct {
	MaxCount *int `json:",omitempty"`
	// MaxSize and MaxLayerSize are of the uncompressed layers, all together and each;
	// MaxCompressedSize is what is stored and pulled.
	MaxSize           *int64 `json:",omitempty"`
	MaxLayerSize      *int64 `json:",omitempty"`
	MaxCompressedSize *int64 `json:",omitempty"`
	// MaxWasted is of what layers carry and no container sees.
	MaxWasted *Share `json:",omitempty"`
	// MaxGrowth is over the baseline image of the run.
	MaxGrowth *Share `json:",omitempty"`
	// CacheOrder demands that a Dockerfile does not copy the whole context before it
	// installs dependencies.
	CacheOrder bool `json:",omitempty"`
}

// Share is a number of bytes, or, where Relative, a percentage.
type Share struct {
	Relative bool
	Percent  int
	Bytes    int64
}

// String is the form of the policy language.
func (s Share) String() string {
	if s.Relative {
		return strconv.Itoa(s.Percent) + "%"
	}
	return wording.Bytes(s.Bytes)
}

func layerGroup() group {
	return group{
		name: GroupLayers, about: "Number, size and waste of the layers.",
		keys: func(p *parser, r *Rule) []key {
			own := &LayerRule{}
			r.Layers = own
			return []key{
				p.optionalCountKey("max-count", "How many layers the image may have, those of its base included.", &own.MaxCount, lower),
				p.sizeKey("max-size", "How large all layers together may be, uncompressed.", &own.MaxSize, lower),
				p.sizeKey("max-layer-size", "How large each layer may be, uncompressed.", &own.MaxLayerSize, lower),
				p.sizeKey("max-compressed-size", "How large all layers together may be as they are stored; not known for images of a Docker daemon.", &own.MaxCompressedSize, lower),
				p.shareKey("max-wasted", "How much layers may carry that a later layer overwrites or deletes: a size, or a percentage of all files.", &own.MaxWasted, 100),
				p.shareKey("max-growth", "By how much the image may be larger than the one that --baseline names: a size, or a percentage.", &own.MaxGrowth, maxPercent),
				enumKeyTo(p, "build-cache-order", "required: the Dockerfile given by --dockerfile copies the whole context only after it has installed dependencies.", &own.CacheOrder),
			}
		},
		check:       (*parser).checkLayers,
		title:       layerTitle,
		remediation: layerRemediation,
	}
}

// enumKeyTo is for demands that are either made or not.
func enumKeyTo(p *parser, name, about string, into *bool) key {
	const required = "required"
	return key{name: name, about: about, tighten: demands, shape: shape{kind: shapeString, enum: []string{required}},
		read: func(v value) { _, *into = p.enum(v, required) }}
}

// maxPercent is beyond any growth that a person chose on purpose.
const maxPercent = 1000

// shareKey reads a size, or a percentage up to limit.
func (p *parser) shareKey(name, about string, into **Share, limit int) key {
	return key{name: name, about: about, tighten: lowerShare,
		shape: shape{kind: shapeOneOf, oneOf: []shape{{kind: shapeString, pattern: sizePattern}, {kind: shapeString, pattern: `^(0|[1-9][0-9]{0,3})%$`}}},
		read: func(v value) {
			digits, ok := strings.CutSuffix(v.node.Value, "%")
			if v.node.Kind != yaml.ScalarNode || !ok {
				if n, ok := p.size(v); ok {
					*into = &Share{Bytes: n}
				}
				return
			}
			n, err := strconv.Atoi(digits)
			if !isDecimal(digits) || len(digits) > 1 && digits[0] == '0' || err != nil || n > limit {
				p.fault(v, "", "must be a whole percentage of at most %d%%, not %s", limit, quote(v.node.Value))
				return
			}
			*into = &Share{Relative: true, Percent: n}
		}}
}

// lowerShare does not compare a percentage with a size.
func lowerShare(enforced, mine *yaml.Node) bool {
	relative := func(n *yaml.Node) bool { return strings.HasSuffix(n.Value, "%") }
	return enforced == nil || relative(enforced) == relative(mine) && lower(enforced, mine)
}

func (p *parser) checkLayers(v value, r *Rule) {
	l := r.Layers
	names := []string{"max-count", "max-size", "max-layer-size", "max-compressed-size", "max-wasted", "max-growth", "build-cache-order"}
	if !slices.ContainsFunc(names, func(n string) bool { return child(v.node, n) != nil }) {
		p.fault(v, "give one of "+strings.Join(names, ", "), "demands nothing")
	}
	if l.MaxSize != nil && l.MaxLayerSize != nil && *l.MaxLayerSize > *l.MaxSize {
		n := child(v.node, "max-layer-size")
		p.report(p.place(n), v.path+".max-layer-size", "leave it out, or lower it", "max-layer-size is more than max-size, so it demands nothing")
	}
	if l.MaxWasted != nil && l.MaxWasted.Relative && l.MaxWasted.Percent == 100 {
		n := child(v.node, "max-wasted")
		p.report(p.place(n), v.path+".max-wasted", "a lean image wastes less than 10%", "max-wasted of 100%% demands nothing")
	}
}

func layerTitle(rule *Rule) string {
	r := rule.Layers
	var parts []string
	if r.MaxCount != nil {
		parts = append(parts, "at most "+wording.Count(*r.MaxCount, "layer"))
	}
	if r.MaxSize != nil {
		parts = append(parts, "at most "+wording.Bytes(*r.MaxSize)+" uncompressed")
	}
	if r.MaxLayerSize != nil {
		parts = append(parts, "at most "+wording.Bytes(*r.MaxLayerSize)+" in a layer")
	}
	if r.MaxCompressedSize != nil {
		parts = append(parts, "at most "+wording.Bytes(*r.MaxCompressedSize)+" compressed")
	}
	if r.MaxWasted != nil {
		parts = append(parts, "at most "+r.MaxWasted.String()+" wasted")
	}
	if r.MaxGrowth != nil {
		parts = append(parts, "growth of at most "+r.MaxGrowth.String())
	}
	if r.CacheOrder {
		parts = append(parts, "dependencies installed before the whole context is copied")
	}
	s := strings.Join(parts, ", ")
	return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):]
}

func layerRemediation(rule *Rule) string {
	r := rule.Layers
	var parts []string
	if r.MaxCount != nil {
		parts = append(parts, "Join RUN instructions, and copy with few COPY instructions.")
	}
	if r.MaxSize != nil || r.MaxLayerSize != nil || r.MaxCompressedSize != nil || r.MaxGrowth != nil {
		parts = append(parts, "Build in one stage and copy only the result into another, on a smaller base; leave out development dependencies and caches.")
	}
	if r.MaxWasted != nil {
		parts = append(parts, "Delete files in the instruction that makes them, and set owner and mode with COPY --chown and --chmod: a later layer stores the files once more.")
	}
	if r.CacheOrder {
		parts = append(parts, "Copy the files that list the dependencies, install them, and only then copy the rest.")
	}
	return strings.Join(parts, " ")
}

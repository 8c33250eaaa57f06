// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/spelling"
)

const maxPort = 65535

// PortRule limits exposed ports.
type PortRule struct {
	// Min and Max bound the numbers; 0 for no bound.
	Min, Max int `json:",omitempty"`
	// Allowed are the only ones; empty allows all.
	Allowed   []Ports `json:",omitempty"`
	Forbidden []Ports `json:",omitempty"`
}

// Ports is a port or a range of them, of one protocol or, if that is empty, of all.
type Ports struct {
	First, Last int
	Protocol    string `json:",omitempty"`
}

// String is the form in a policy.
func (p Ports) String() string {
	s := strconv.Itoa(p.First)
	if p.Last != p.First {
		s += "-" + strconv.Itoa(p.Last)
	}
	if p.Protocol != "" {
		s += "/" + p.Protocol
	}
	return s
}

// Overlaps says whether the two have a port in common, Contains whether p has all of q's.
func (p Ports) Overlaps(q Ports) bool {
	return p.First <= q.Last && q.First <= p.Last && (p.Protocol == "" || q.Protocol == "" || p.Protocol == q.Protocol)
}

// Contains says whether p has all ports of q.
func (p Ports) Contains(q Ports) bool {
	return p.First <= q.First && q.Last <= p.Last && (p.Protocol == "" || p.Protocol == q.Protocol)
}

func (p *parser) portsKey(own *ConfigRule) key {
	r := &PortRule{}
	return p.part("ports", "Ports that EXPOSE may name.", "write ports: {min: 1024}", []key{
		p.portKey("min", "The lowest port allowed.", &r.Min, higher),
		p.portKey("max", "The highest port allowed.", &r.Max, lower),
		p.portListKey("allowed", "The only ports allowed: 8080, 8000-8010, 53/udp.", &r.Allowed, fewerOrNew),
		p.portListKey("forbidden", "Ports that are forbidden.", &r.Forbidden, more),
	}, func() { own.Ports = r })
}

func (p *parser) portKey(name, about string, into *int, t tighten) key {
	return key{name: name, about: about, tighten: t, shape: shape{kind: shapeInteger, min: 1, max: maxPort},
		read: func(v value) {
			n, ok := p.count(v)
			switch {
			case ok && (n < 1 || n > maxPort):
				p.fault(v, "", "must be a port, 1 to %d", maxPort)
			case ok:
				*into = n
			}
		}}
}

const portsPattern = `^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?(/(tcp|udp|sctp))?$`

func (p *parser) portListKey(name, about string, into *[]Ports, t tighten) key {
	item := shape{kind: shapeOneOf, oneOf: []shape{{kind: shapeInteger, min: 1, max: maxPort}, {kind: shapeString, pattern: portsPattern}}}
	return key{name: name, about: about, tighten: t, shape: listOf(item), read: func(v value) {
		*into = nil
		p.strings(v, func(v value) (string, bool) {
			ports, ok := p.portRange(v)
			if ok {
				*into = append(*into, ports)
			}
			return ports.String(), ok
		})
	}}
}

// portRange reads 80, "80/tcp" or "8000-8010/udp".
func (p *parser) portRange(v value) (Ports, bool) {
	const want = `a port such as 8080, "8000-8010" or "53/udp"`
	if !p.scalar(v, want) {
		return Ports{}, false
	}
	s := v.node.Value
	numbers, protocol, hasProtocol := strings.Cut(s, "/")
	low, high, isRange := strings.Cut(numbers, "-")
	if !isRange {
		high = low
	}
	first, err1 := strconv.Atoi(low)
	last, err2 := strconv.Atoi(high)
	out := Ports{first, last, protocol}
	switch {
	case !isDecimal(low) || !isDecimal(high) || err1 != nil || err2 != nil || low[0] == '0' || high[0] == '0':
		p.fault(v, "", "must be %s, not %s", want, quote(s))
	case last > maxPort || last < first:
		p.fault(v, "", "%s is no range of ports, 1 to %d", quote(s), maxPort)
	case hasProtocol && !slices.Contains([]string{"tcp", "udp", "sctp"}, protocol):
		p.fault(v, didYouMean(spelling.Nearest(protocol, []string{"tcp", "udp", "sctp"})), "the protocol must be tcp, udp or sctp, not %s", quote(protocol))
	default:
		return out, true
	}
	return Ports{}, false
}

func (p *parser) checkPorts(v value, r *PortRule) {
	if r == nil {
		return
	}
	if r.Max > 0 && r.Min > r.Max {
		p.fault(v, "", "allows no port: min is %d and max is %d", r.Min, r.Max)
		return
	}
	for _, a := range r.Allowed {
		beyond := r.Min > 0 && a.First < r.Min || r.Max > 0 && a.Last > r.Max
		switch i := slices.IndexFunc(r.Forbidden, a.Overlaps); {
		case beyond:
			p.fault(v, "", "allows port %s, and not by min and max", a)
		case i >= 0:
			p.fault(v, "", "allows port %s and forbids %s", a, r.Forbidden[i])
		}
	}
}

// mountGlob reads a glob of absolute paths.
func (p *parser) mountGlob(v value) (string, bool) {
	s, ok := p.glob(v)
	if ok && !strings.HasPrefix(s, "/") {
		p.fault(v, didYouMean("/"+s), "%s matches no mount point: these are absolute paths", quote(s))
		return "", false
	}
	return s, ok
}

// mentions says whether a rule has one of the keys, if only a faulty one.
func (p *parser) mentions(v value, keys []string) bool {
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		if k := v.node.Content[i].Value; slices.Contains(keys, k) || spelling.Nearest(k, keys) != "" {
			return true
		}
	}
	return false
}

// plainName reads the name of a label or variable, which is no pattern.
func (p *parser) plainName(v value) (string, bool) {
	s, ok := p.line(v)
	if ok && strings.ContainsAny(s, "*?[]{}= ") {
		p.fault(v, "write the name alone", "%s is not a name", quote(s))
		return "", false
	}
	return s, ok
}

// searched reads a regular expression that is searched for in a text.
func (p *parser) searched(v value) (string, bool) {
	s, ok := p.line(v)
	if !ok {
		return "", false
	}
	if raw := v.node.Value; strings.Trim(raw, " ") == s {
		s = raw // a blank at an end is part of it: "^ADD "
	}
	re, err := regexp.Compile(s)
	switch {
	case err != nil:
		p.fault(v, "the syntax is RE2's", "%s is not a regular expression", quote(s))
		return "", false
	case re.MatchString(""):
		p.fault(v, "say what the text must contain", "%s is found in every text", quote(s))
		return "", false
	}
	return s, true
}

// architecture reads an architecture as the OCI image specification writes it.
func (p *parser) architecture(v value) (string, bool) {
	s, ok := p.line(v)
	if !ok {
		return "", false
	}
	usual := map[string]string{"x86_64": "amd64", "x86-64": "amd64", "x64": "amd64", "aarch64": "arm64", "i386": "386", "armv7": "arm/v7", "linux/amd64": "amd64", "linux/arm64": "arm64"}
	known := []string{"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64", "s390x", "wasm"}
	name, variant, hasVariant := strings.Cut(s, "/")
	if slices.Contains(known, name) && (!hasVariant || isIdentifier(variant)) {
		return s, true
	}
	hint := didYouMean(usual[s])
	if usual[s] == "" {
		hint = didYouMean(spelling.Nearest(s, known))
	}
	p.fault(v, hint, "%s is not an architecture", quote(s))
	return "", false
}

// morePairs is for mappings of demands: none may be changed, others may be added.
func morePairs(enforced, mine *yaml.Node) bool {
	for i := 0; i+1 < len(mine.Content); i += 2 {
		if theirs := child(enforced, mine.Content[i].Value); theirs != nil && !sameNode(theirs, mine.Content[i+1]) {
			return false
		}
	}
	return true
}

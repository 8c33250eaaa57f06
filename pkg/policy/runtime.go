// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/spelling"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// RuntimeRule is about how the image can run: read-only, without capabilities.
// Each field that is set is a demand of its own.
type RuntimeRule struct {
	// ReadOnlyRoot demands that nothing is known to write outside of declared volumes.
	ReadOnlyRoot bool `json:",omitempty"`
	// CapabilitiesLimited says that no capability but Capabilities may be needed; these
	// are written as Docker and Kubernetes do: NET_BIND_SERVICE.
	CapabilitiesLimited bool     `json:",omitempty"`
	Capabilities        []string `json:",omitempty"`
	// NonRoot demands a user other than root, NoNewPrivileges that no file of the image
	// grants privileges.
	NonRoot         bool `json:",omitempty"`
	NoNewPrivileges bool `json:",omitempty"`
}

func runtimeGroup() group {
	return group{
		name: GroupRuntime, about: "How the image can run, as far as it says: read-only, without capabilities, not as root.",
		keys: (*parser).runtimeKeys,
		check: func(p *parser, v value, _ *Rule) {
			if !p.mentions(v, names(p.runtimeKeys(&Rule{}))) {
				p.fault(v, "add what must be possible: read-only-root, capabilities, non-root, no-new-privileges", "demands nothing")
			}
		},
		title: runtimeTitle, remediation: runtimeRemediation,
	}
}

func (p *parser) runtimeKeys(r *Rule) []key {
	own := &RuntimeRule{}
	r.Runtime = own
	return []key{
		p.wordKey("read-only-root", "required: nothing is known to be written outside of the volumes that the image declares.", &own.ReadOnlyRoot, Required),
		p.capabilitiesKey(own),
		p.wordKey("non-root", "required: the user is neither uid 0 nor gid 0.", &own.NonRoot, Required),
		p.wordKey("no-new-privileges", "required: no file grants privileges by setuid, setgid or file capabilities.", &own.NoNewPrivileges, Required),
	}
}

func (p *parser) capabilitiesKey(own *RuntimeRule) key {
	item := shape{kind: shapeString, enum: capabilities()}
	return key{
		name: "capabilities", about: "none, or the only capabilities that the image may need, such as [NET_BIND_SERVICE].", tighten: fewerCapabilities,
		shape: shape{kind: shapeOneOf, oneOf: []shape{{kind: shapeString, enum: []string{"none"}}, listOf(item)}},
		read: func(v value) {
			ok := false
			if v.node.Kind == yaml.ScalarNode {
				_, ok = p.enum(v, "none")
				own.Capabilities = nil
			} else {
				own.Capabilities, ok = p.strings(v, p.capability)
			}
			own.CapabilitiesLimited = ok
		},
	}
}

// fewerCapabilities compares lists of what is allowed; none is the empty one.
func fewerCapabilities(enforced, mine *yaml.Node) bool {
	switch {
	case enforced == nil, mine.Kind == yaml.ScalarNode:
		return true
	case enforced.Kind == yaml.ScalarNode:
		return false
	default:
		return contains(enforced, mine)
	}
}

func (p *parser) capability(v value) (string, bool) {
	s, ok := p.line(v)
	if !ok || slices.Contains(capabilities(), s) {
		return s, ok
	}
	plain := strings.TrimPrefix(strings.ToUpper(s), "CAP_")
	if !slices.Contains(capabilities(), plain) {
		plain = spelling.Nearest(plain, capabilities())
	}
	p.fault(v, didYouMean(plain), "%s is not a capability", quote(s))
	return "", false
}

// capabilities are those of capabilities(7).
func capabilities() []string {
	return strings.Fields(`AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE
		DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN
		NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT
		SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM`)
}

func runtimeTitle(rule *Rule) string {
	r := rule.Runtime
	var parts []string
	if r.ReadOnlyRoot {
		parts = append(parts, "with a read-only root")
	}
	switch {
	case r.CapabilitiesLimited && len(r.Capabilities) == 0:
		parts = append(parts, "without capabilities")
	case r.CapabilitiesLimited:
		parts = append(parts, "with no capability but "+wording.Or(r.Capabilities))
	}
	if r.NonRoot {
		parts = append(parts, "not as root")
	}
	if r.NoNewPrivileges {
		parts = append(parts, "without new privileges")
	}
	return "The image can run " + strings.Join(parts, ", ")
}

func runtimeRemediation(rule *Rule) string {
	r := rule.Runtime
	var out []string
	if r.ReadOnlyRoot {
		out = append(out, "Declare the paths that the program writes to as VOLUME, or have it write below one that is declared.")
	}
	if r.CapabilitiesLimited {
		out = append(out, "Listen on a port from 1024 up, and take file capabilities away (setcap -r FILE).")
	}
	if r.NonRoot {
		out = append(out, "Set USER in the Dockerfile to a user and group other than root, by number, such as USER 65532:65532.")
	}
	if r.NoNewPrivileges {
		out = append(out, "Take setuid, setgid and file capabilities away in the layer that brings the file (chmod a-s FILE, setcap -r FILE), or remove the file there.")
	}
	return strings.Join(out, " ")
}

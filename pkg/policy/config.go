// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// ConfigRule is about the image configuration. Each field that is set is a demand
// of its own.
type ConfigRule struct {
	// UserNonRoot (`user: non-root`) demands that the container's user is not uid 0
	// and its group not gid 0. UserNumeric (`user: numeric-non-root`) demands a uid in
	// digits besides, as Kubernetes' runAsNonRoot does.
	UserNonRoot bool
	UserNumeric bool `json:",omitempty"`
	// Ports limit what EXPOSE may name.
	Ports *PortRule `json:",omitempty"`
	// EntrypointRequired (`entrypoint: required`) demands an ENTRYPOINT; ExecForm
	// (`exec-form: required`) that what a container starts is not wrapped in a shell.
	EntrypointRequired bool `json:",omitempty"`
	ExecForm           bool `json:",omitempty"`
	// Healthcheck is "required" or "forbidden".
	Healthcheck Presence `json:",omitempty"`
	// Volumes limit what VOLUME may declare.
	Volumes *VolumeRule `json:",omitempty"`
	// Labels, Annotations and Env are about names and values.
	Labels      *NameRule `json:",omitempty"`
	Annotations *NameRule `json:",omitempty"`
	Env         *NameRule `json:",omitempty"`
	// EnvSecretsForbidden (`env-secrets: forbidden`) forbids credentials in variables,
	// labels, history and commands.
	EnvSecretsForbidden bool `json:",omitempty"`
	// History forbids steps of the build.
	History *HistoryRule `json:",omitempty"`
	// Architectures are the only ones allowed; empty allows all.
	Architectures []string `json:",omitempty"`
	// Created is about the image's date.
	Created *CreatedRule `json:",omitempty"`
	// OnBuildForbidden (`onbuild: forbidden`) forbids triggers for images built on this one.
	OnBuildForbidden bool `json:",omitempty"`
}

// Presence is a demand that something be there, or not.
type Presence string

// The presences.
const (
	Required  Presence = "required"
	Forbidden Presence = "forbidden"
)

// VolumeRule holds globs of mount points.
type VolumeRule struct {
	// Allowed are the only ones; empty allows all.
	Allowed   []string `json:",omitempty"`
	Forbidden []string `json:",omitempty"`
}

// NameRule is about labels, annotations or variables.
type NameRule struct {
	// Required are names that must be there with a value.
	Required []string `json:",omitempty"`
	// Values are RE2 expressions by name: it must be there, and the whole value match.
	Values map[string]string `json:",omitempty"`
	// Forbidden are globs of names.
	Forbidden []string `json:",omitempty"`
}

// HistoryRule holds RE2 expressions that are searched for in each step.
type HistoryRule struct {
	Forbidden []string
	// Accept are expressions for steps that are in order although Forbidden finds them.
	Accept []string `json:",omitempty"`
}

// CreatedRule is about the image's date: there must be one, and not in the future.
type CreatedRule struct {
	// MaxAge is the greatest age; 0 for any.
	MaxAge time.Duration `json:",omitempty"`
	// ReproducibleAccepted (`reproducible: accept`) accepts an image without a date, or
	// with one that reproducible builds write in its place.
	ReproducibleAccepted bool `json:",omitempty"`
}

func configGroup() group {
	return group{
		name: GroupConfig, about: "The image configuration: user, ports, command, labels, environment, history, date.",
		keys: (*parser).configKeys, check: (*parser).checkConfig, title: configTitle, remediation: configRemediation,
	}
}

func (p *parser) configKeys(r *Rule) []key {
	own := &ConfigRule{}
	r.Config = own
	return []key{
		{name: "user", about: "non-root: neither uid 0 nor gid 0; numeric-non-root: by number besides, as Kubernetes' runAsNonRoot needs it.",
			tighten: towardsFrom("", "non-root", "numeric-non-root"), shape: shape{kind: shapeString, enum: []string{"non-root", "numeric-non-root"}},
			read: func(v value) {
				s, ok := p.enum(v, "non-root", "numeric-non-root")
				own.UserNonRoot, own.UserNumeric = ok, s == "numeric-non-root"
			}},
		p.portsKey(own),
		p.wordKey("entrypoint", "required: the image sets an ENTRYPOINT.", &own.EntrypointRequired, Required),
		p.wordKey("exec-form", "required: what a container starts, ENTRYPOINT or else CMD, is set and not wrapped in a shell, so that it receives signals.", &own.ExecForm, Required),
		enumKey(p, "healthcheck", "required: the image has a HEALTHCHECK that is not NONE; forbidden: it has none.", &own.Healthcheck, demands, Required, Forbidden),
		p.volumesKey(own),
		p.namesKey("labels", "label", &own.Labels),
		p.namesKey("annotations", "annotation of the manifest", &own.Annotations),
		p.namesKey("env", "environment variable", &own.Env),
		p.wordKey("env-secrets", "forbidden: no credential in variables, labels, annotations, history or commands.", &own.EnvSecretsForbidden, Forbidden),
		p.historyKey(own),
		p.listKey("architectures", "The only architectures allowed, such as amd64, arm64 or arm/v7.", &own.Architectures, fewerOrNew, p.architecture),
		p.createdKey(own),
		p.wordKey("onbuild", "forbidden: no ONBUILD triggers, which run in other people's builds.", &own.OnBuildForbidden, Forbidden),
	}
}

// wordKey reads a demand of which there is one.
func (p *parser) wordKey(name, about string, into *bool, word Presence) key {
	return key{name: name, about: about, tighten: demands, shape: shape{kind: shapeString, enum: []string{string(word)}},
		read: func(v value) { _, *into = p.enum(v, string(word)) }}
}

func (p *parser) volumesKey(own *ConfigRule) key {
	r := &VolumeRule{}
	return p.part("volumes", "Mount points that VOLUME may declare.", `write volumes: {forbidden: ["/etc/**"]}`, []key{
		p.listKey("allowed", "Globs of the only mount points allowed.", &r.Allowed, fewerOrNew, p.mountGlob),
		p.listKey("forbidden", "Globs of mount points that are forbidden; /** forbids all.", &r.Forbidden, more, p.mountGlob),
	}, func() { own.Volumes = r })
}

func (p *parser) namesKey(name, what string, into **NameRule) key {
	r := &NameRule{}
	return p.part(name, "What the image must have, and must not have, of its "+name+".", "write "+name+": {required: [NAME]}", []key{
		p.listKey("required", "Names: the image must have each "+what+", with a value.", &r.Required, more, p.plainName),
		p.regexpsKey("values", "Names with regular expressions (RE2): each "+what+" must be there, and the whole value match.", &r.Values, morePairs),
		p.globsKey("forbidden", "Globs of names that no "+what+" may have.", &r.Forbidden, more),
	}, func() { *into = r })
}

func (p *parser) historyKey(own *ConfigRule) key {
	r := &HistoryRule{}
	return p.part("history", "Steps of the build, as the image's history records them: ADD file:… in /, RUN apt-get update.", `write history: {forbidden: ["^ADD "]}`, []key{
		p.listKey("forbidden", "Regular expressions (RE2): no step may match, anywhere in it.", &r.Forbidden, more, p.searched).must(),
		p.listKey("accept", "Regular expressions: a step that matches one is in order.", &r.Accept, fewer, p.searched),
	}, func() { own.History = r })
}

func (p *parser) createdKey(own *ConfigRule) key {
	r := &CreatedRule{}
	type choice string
	var reproducible choice
	return p.part("created", "The image's date: it must be there, and not lie in the future.", "write created: {max-age: 90d}", []key{
		p.durationKey("max-age", "The greatest age at the effective time.", &r.MaxAge, lower),
		enumKey(p, "reproducible", "accept: no date, or one before 2013 as reproducible builds write it, is in order; refuse is the default.", &reproducible,
			towards("accept", "refuse"), "accept", "refuse"),
	}, func() { r.ReproducibleAccepted = reproducible == "accept"; own.Created = r })
}

// part reads a nested mapping and says when it was there.
func (p *parser) part(name, about, hint string, keys []key, set func()) key {
	k := p.mappingKey(name, about, hint, keys)
	k.read = func(v value) {
		if p.mapping(v, hint, keys) {
			set()
		}
	}
	return k
}

// checkConfig reports rules that demand nothing, or what cannot be met.
func (p *parser) checkConfig(v value, r *Rule) {
	c := r.Config
	if !p.mentions(v, names(p.configKeys(&Rule{}))) {
		p.fault(v, "add what it is about: user, ports, labels, env-secrets, …", "demands nothing")
	}
	p.checkPorts(v, c.Ports)
	for _, n := range []struct {
		name string
		rule *NameRule
	}{{"labels", c.Labels}, {"annotations", c.Annotations}, {"env", c.Env}} {
		p.checkNames(v, n.name, n.rule)
	}
}

func (p *parser) checkNames(v value, group string, r *NameRule) {
	if r == nil {
		return
	}
	wanted := slices.Clone(r.Required)
	for name := range r.Values {
		wanted = append(wanted, name)
	}
	slices.Sort(wanted)
	for _, name := range slices.Compact(wanted) {
		if slices.ContainsFunc(r.Forbidden, func(g string) bool { return MatchGlob(g, name) }) {
			p.fault(v, "", "demands and forbids %s %s", strings.TrimSuffix(group, "s"), quote(name))
		}
	}
}

// configParts are the demands of a rule in words, in the order of a title.
func configParts(c *ConfigRule) []string {
	var parts []string
	add := func(on bool, s string) {
		if on {
			parts = append(parts, s)
		}
	}
	add(c.UserNonRoot, "user")
	add(c.Ports != nil, "ports")
	add(c.EntrypointRequired || c.ExecForm, "command")
	add(c.Healthcheck != "", "health check")
	add(c.Volumes != nil, "volumes")
	add(c.Labels != nil, "labels")
	add(c.Annotations != nil, "annotations")
	add(c.Env != nil, "environment")
	add(c.EnvSecretsForbidden, "credentials")
	add(c.History != nil, "history")
	add(len(c.Architectures) > 0, "architecture")
	add(c.Created != nil, "date")
	add(c.OnBuildForbidden, "triggers")
	return parts
}

func configTitle(r *Rule) string {
	c := r.Config
	parts := configParts(c)
	if len(parts) != 1 {
		return "The image configuration is in order: " + strings.Join(parts, ", ")
	}
	switch {
	case c.UserNumeric:
		return "The container does not run as root, and names its user by number"
	case c.UserNonRoot:
		return "The container does not run as root"
	case c.Ports != nil:
		return "Only allowed ports are exposed"
	case c.EntrypointRequired && c.ExecForm:
		return "The image has an entrypoint, which no shell wraps"
	case c.EntrypointRequired:
		return "The image has an entrypoint"
	case c.ExecForm:
		return "No shell wraps the command"
	case c.Healthcheck == Required:
		return "The image has a health check"
	case c.Healthcheck == Forbidden:
		return "The image has no health check"
	case c.EnvSecretsForbidden:
		return "The image configuration holds no credentials"
	case c.History != nil:
		return "No step of the build is a forbidden one"
	case len(c.Architectures) > 0:
		return "The architecture is " + wording.Or(c.Architectures)
	case c.OnBuildForbidden:
		return "The image sets no triggers for other builds"
	default:
		return "The " + parts[0] + " of the image " + map[bool]string{true: "are", false: "is"}[strings.HasSuffix(parts[0], "s")] + " in order"
	}
}

func configRemediation(r *Rule) string {
	c := r.Config
	var out []string
	add := func(on bool, s string) {
		if on {
			out = append(out, s)
		}
	}
	add(c.UserNonRoot, "Set USER in the Dockerfile to a user and group other than root, by number, such as USER 65532:65532.")
	add(c.Ports != nil, "Let the service listen on a port that is allowed, and EXPOSE that one.")
	add(c.EntrypointRequired, `Set ENTRYPOINT ["/app"] in the Dockerfile.`)
	add(c.ExecForm, `Write ENTRYPOINT and CMD as JSON lists, such as ["/app", "serve"].`)
	add(c.Healthcheck == Required, "Add a HEALTHCHECK to the Dockerfile (podman and buildah keep it with --format docker only).")
	add(c.Healthcheck == Forbidden, "Leave HEALTHCHECK out; the orchestrator probes the container.")
	add(c.Volumes != nil, "Remove the VOLUME, or mount it when the container is run.")
	add(c.Labels != nil, "Set the labels in the Dockerfile or by --label when building.")
	add(c.Annotations != nil, "Set the annotations when building or pushing, such as by docker buildx build --annotation.")
	add(c.Env != nil, "Set ENV in the Dockerfile accordingly.")
	add(c.EnvSecretsForbidden, "Revoke the credential and build without it: by a secret mount for the build, and from the orchestrator's secrets at run time.")
	add(c.History != nil, "Change the step of the Dockerfile that the violation names.")
	add(len(c.Architectures) > 0, "Build for an architecture that is allowed.")
	add(c.Created != nil, "Build the image again.")
	add(c.OnBuildForbidden, "Remove ONBUILD from the Dockerfile.")
	return strings.Join(out, " ")
}

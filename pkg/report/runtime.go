// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// Runtime writes how the image can run with the least privileges, as far as it says:
// one YAML document for each platform, with a line for docker and a security context
// for Kubernetes. Every text from the image is quoted, for the shell and for YAML.
func Runtime(w io.Writer, v verdict.Verdict, _ Options) error {
	y := &yamlWriter{}
	if len(v.Subjects) == 0 {
		y.line(0, "---")
		y.pair(0, "image", v.Reference)
		y.pair(0, "error", "no image was examined")
	}
	for _, s := range v.Subjects {
		y.line(0, "---")
		y.runtime(v, s)
	}
	if _, err := io.WriteString(w, y.b.String()); err != nil {
		return fmt.Errorf("write the runtime profile: %w", err)
	}
	return nil
}

// run is a profile with what only a report needs.
type run struct {
	verdict.Profile
	image  string
	mounts []verdict.Need
	// out is what could not be written down.
	out []string
}

func (y *yamlWriter) runtime(v verdict.Verdict, s verdict.SubjectVerdict) {
	y.pair(0, "image", cmp.Or(s.Evidence.Subject.Reference, v.Reference))
	y.pair(0, "platform", s.Evidence.Subject.Platform.String())
	y.pair(0, "verdict", string(cmp.Or(s.Status, verdict.Errored)))
	p, ok := verdict.ProfileOf(s.Evidence)
	if !ok {
		y.pair(0, "error", "the image's configuration is not known")
		return
	}
	r := newRun(p, s.Evidence.Subject)
	y.pair(0, "docker", r.docker())
	y.line(0, "kubernetes:")
	y.kubernetes(r)
	y.reasons(r)
	y.list(0, "notKnown", append(r.out, p.Unknown...))
}

func newRun(p verdict.Profile, sub evidence.Subject) run {
	r := run{Profile: p, image: runName(sub)}
	if !quotable(r.image) {
		r.out = append(r.out, "the image's name cannot be written down safely; IMAGE stands in its place")
		r.image = "IMAGE"
	}
	r.Capabilities = slices.DeleteFunc(slices.Clone(p.Capabilities), func(n verdict.Need) bool {
		odd := n.What == "" || strings.Trim(n.What, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") != ""
		if odd {
			r.out = append(r.out, "a capability of no known name is needed: "+escape.Text(n.What))
		}
		return odd
	})
	for _, n := range p.Writable {
		switch {
		case n.What == "/":
			r.out = append(r.out, "the image declares / as a volume, which nothing can mount")
		case !quotable(n.What) || path.Clean(n.What) != n.What:
			r.out = append(r.out, "a path that needs a writable mount cannot be written down safely: "+escape.Text(n.What))
		default:
			r.mounts = append(r.mounts, n)
		}
	}
	return r
}

// runName is a name under which the image can be run.
func runName(sub evidence.Subject) string {
	name := cmp.Or(sub.Destination, sub.Name)
	switch {
	case name == "":
		return cmp.Or(sub.ImageID, sub.Digest, "IMAGE")
	case sub.Source == evidence.SourceRegistry && sub.Digest != "" && !strings.Contains(name, "@"):
		return name + "@" + sub.Digest
	}
	return name
}

// quotable says whether a text means the same on a screen, in a shell and in YAML.
func quotable(s string) bool {
	return s != "" && s[0] != '-' && escape.Text(s) == s && escape.Line(s) == s
}

// docker is one line to paste into a shell.
func (r run) docker() string {
	words := []string{"docker", "run", "--read-only", "--cap-drop=ALL"}
	for _, c := range r.Capabilities {
		words = append(words, "--cap-add="+c.What)
	}
	if len(r.Escalation) == 0 {
		words = append(words, "--security-opt=no-new-privileges")
	}
	if u := r.User; u.UID != nil && u.GID != nil {
		words = append(words, fmt.Sprintf("--user=%d:%d", *u.UID, *u.GID))
	}
	for _, m := range r.mounts {
		kind := "tmpfs"
		if m.Declared {
			kind = "volume"
		}
		words = append(words, "--mount=type="+kind+","+csvField("destination="+m.What))
	}
	words = append(words, r.image)
	for i, w := range words {
		words[i] = shellWord(w)
	}
	return strings.Join(words, " ")
}

// csvField quotes a field of --mount, which is read as CSV.
func csvField(s string) string {
	if strings.ContainsAny(s, ",\"") {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

// shellWord quotes a word for every POSIX shell.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+:/@=,"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// kubernetes writes what to merge into a pod.
func (y *yamlWriter) kubernetes(r run) {
	u := r.User
	y.line(1, "spec:")
	y.line(2, "securityContext:")
	if u.UID != nil && *u.UID != 0 {
		y.line(3, "runAsNonRoot: true")
	}
	if u.UID != nil {
		y.line(3, fmt.Sprintf("runAsUser: %d", *u.UID))
	}
	if u.GID != nil {
		y.line(3, fmt.Sprintf("runAsGroup: %d", *u.GID))
	}
	y.line(3, "seccompProfile: {type: RuntimeDefault}")
	y.line(2, "containers:")
	y.line(3, `- name: "app"`)
	y.pair(4, "image", r.image)
	y.line(4, "securityContext:")
	y.line(5, fmt.Sprintf("allowPrivilegeEscalation: %t", len(r.Escalation) > 0))
	y.line(5, "readOnlyRootFilesystem: true")
	y.line(5, "capabilities:")
	y.line(6, `drop: ["ALL"]`)
	if len(r.Capabilities) > 0 {
		y.line(6, "add:")
		for _, c := range r.Capabilities {
			y.line(6, "- "+yamlString(c.What))
		}
	}
	if len(r.mounts) == 0 {
		return
	}
	y.line(4, "volumeMounts:")
	for i, m := range r.mounts {
		y.line(4, fmt.Sprintf("- {name: writable-%d, mountPath: %s}", i+1, yamlString(m.What)))
	}
	y.line(2, "volumes:")
	for i := range r.mounts {
		y.line(2, fmt.Sprintf("- {name: writable-%d, emptyDir: {}}", i+1))
	}
}

func (y *yamlWriter) reasons(r run) {
	if len(r.mounts)+len(r.Capabilities)+len(r.Escalation) == 0 {
		y.line(0, "because: []")
		return
	}
	y.line(0, "because:")
	item := func(kind string, n verdict.Need) {
		basis := "likely"
		if n.Declared {
			basis = "declared"
		}
		y.line(0, fmt.Sprintf("- {%s: %s, basis: %s, reason: %s}", kind, yamlString(n.What), basis, yamlString(n.Reason)))
	}
	for _, n := range r.mounts {
		item("writable", n)
	}
	for _, n := range r.Capabilities {
		item("capability", n)
	}
	for _, n := range r.Escalation {
		item("privilegeEscalation", n)
	}
}

// yamlWriter writes YAML of which every text from outside is in double quotes.
type yamlWriter struct{ b strings.Builder }

func (y *yamlWriter) line(depth int, s string) {
	y.b.WriteString(strings.Repeat("  ", depth) + s + "\n")
}

func (y *yamlWriter) pair(depth int, key, value string) {
	y.line(depth, key+": "+yamlString(value))
}

func (y *yamlWriter) list(depth int, key string, items []string) {
	y.line(depth, key+":")
	for _, s := range items {
		y.line(depth, "- "+yamlString(s))
	}
}

// yamlString is a double-quoted scalar that means s to every reader of YAML, and
// nothing to a terminal or a CI system. Bytes that are no UTF-8 are replaced.
func yamlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == utf8.RuneError:
			b.WriteString(`\ufffd`)
		case r == '[' && i > 0 && strings.HasSuffix(s[:i], "##"), r == '[' && strings.HasSuffix(s[:i], "##vso"):
			b.WriteString(`\x5b`)
		case r > 0xffff && escape.Unsafe(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		case escape.Unsafe(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

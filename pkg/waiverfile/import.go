// SPDX-License-Identifier: Apache-2.0

package waiverfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/yamldoc"
	"github.com/ocigate/ocigate/pkg/policy"
)

// The formats that Import reads.
const (
	TrivyIgnore     = "trivyignore"
	TrivyIgnoreYAML = "trivyignore-yaml"
	Grype           = "grype"
	OpenVEX         = "openvex"
)

// Formats lists them.
func Formats() []string { return []string{TrivyIgnore, TrivyIgnoreYAML, Grype, OpenVEX} }

// Defaults are what a waiver needs and other tools do not ask for.
type Defaults struct {
	Owner string
	// Until and Reason are for entries that have none of their own; an entry that has
	// none and gets none is not imported.
	Until  time.Time
	Reason string
	// Now is the day of the import: what is over by then is not imported.
	Now time.Time
	// Taken are ids that the waivers must not have.
	Taken []string
}

// Loss is an entry, or a part of one, that a waiver cannot say.
type Loss struct {
	// Place is where the entry stands: "line 3", "statement 2".
	Place string
	// Entry is the finding, or what the entry has in its place.
	Entry string
	// Imported is true where the entry was imported without the part.
	Imported bool
	Reason   string
}

func (l Loss) String() string {
	verb := "not imported"
	if l.Imported {
		verb = "imported, but"
	}
	s := l.Place + ": "
	if l.Entry != "" {
		s += l.Entry + ": "
	}
	return s + verb + ": " + l.Reason
}

// Result is what was made of a file. Each entry is in Waivers or in Losses, or in both.
type Result struct {
	Format  string
	Waivers []policy.Waiver
	Losses  []Loss
}

// Import reads the ignore rules of another tool. A waiver is never wider than what it
// was made of, save that it holds for every version of a package; such entries
// are losses too. format is one of Formats, or empty to tell from the name and the content.
func Import(file string, data []byte, format string, d Defaults) (Result, error) {
	if len(data) > policy.MaxSize {
		return Result{}, fmt.Errorf("%s has more than %d bytes", file, policy.MaxSize)
	}
	if format == "" {
		var err error
		if format, err = detect(file, data); err != nil {
			return Result{}, err
		}
	}
	in := &importer{defaults: d, taken: map[string]bool{}, result: Result{Format: format}}
	in.misconfiguration = regexp.MustCompile(`^(AVD-[A-Z]+-[0-9]+|(DS|KSV|KCV|AWS|AZU|GCP|DIG|GIT|NIF|OCI|OPNSTK)-?[0-9]{3,4})$`)
	for _, id := range d.Taken {
		in.taken[id] = true
	}
	var err error
	switch format {
	case TrivyIgnore:
		in.trivyIgnore(string(data))
	case TrivyIgnoreYAML:
		err = in.yaml(data, in.trivyIgnoreYAML)
	case Grype:
		err = in.yaml(data, in.grype)
	case OpenVEX:
		err = in.openVEX(data)
	default:
		err = fmt.Errorf("no such format: %q", format)
	}
	if err != nil {
		return Result{}, fmt.Errorf("import %s: %w", file, err)
	}
	return in.result, nil
}

func detect(file string, data []byte) (string, error) {
	base := path.Base(file)
	text := bytes.TrimSpace(data)
	switch {
	case strings.HasSuffix(base, ".rego") || bytes.HasPrefix(text, []byte("package ")):
		return "", fmt.Errorf("%s is Rego, which cannot be imported: write waivers for what it ignores, or a custom rule", file)
	case bytes.HasPrefix(text, []byte("{")) && bytes.Contains(text, []byte("openvex.dev/")):
		return OpenVEX, nil
	case strings.HasSuffix(base, ".trivyignore"):
		return TrivyIgnore, nil
	}
	if doc, _, _ := yamldoc.Decode(data); doc != nil {
		var keys []string
		for _, f := range fields(doc.Content[0]) {
			keys = append(keys, f.key)
		}
		has := func(names ...string) bool {
			return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(keys, n) })
		}
		switch {
		case has("vulnerabilities", "misconfigurations", "secrets", "licenses"):
			return TrivyIgnoreYAML, nil
		case has("ignore"):
			return Grype, nil
		}
	}
	return "", fmt.Errorf("cannot tell what %s is: give its format (%s)", file, strings.Join(Formats(), ", "))
}

// importer is one import on its way.
type importer struct {
	defaults Defaults
	taken    map[string]bool
	result   Result
	// kept are the losses of an entry that is not imported yet.
	kept []Loss
	// misconfiguration matches the ids of Trivy's checks of configuration files.
	misconfiguration *regexp.Regexp
}

func (in *importer) lose(place, entry, format string, args ...any) {
	in.kept = nil
	in.result.Losses = append(in.result.Losses, Loss{Place: place, Entry: entry, Reason: fmt.Sprintf(format, args...)})
}

// keep notes a loss of an entry that is imported in spite of it, if it is.
func (in *importer) keep(place, entry, format string, args ...any) {
	in.kept = append(in.kept, Loss{Place: place, Entry: entry, Imported: true, Reason: fmt.Sprintf(format, args...)})
}

// add completes a waiver and has the policy's own parser check it.
func (in *importer) add(place string, w policy.Waiver, parts ...string) {
	w.Owner = in.defaults.Owner
	if w.Reason == "" {
		w.Reason = in.defaults.Reason
	}
	if w.Until.IsZero() {
		w.Until = in.defaults.Until
	}
	switch {
	case w.Reason == "":
		in.lose(place, w.Finding, "it gives no reason, and there is no --reason")
		return
	case w.Until.IsZero():
		in.lose(place, w.Finding, "it has no end, and there is no --until")
		return
	case w.ExpiredAt(in.defaults.Now):
		in.lose(place, w.Finding, "its last day, %s, is over", w.Until.Format(time.DateOnly))
		return
	}
	w.ID = "import" // a place holder: only what can be imported takes an id
	if _, err := Append("", nil, w); err != nil {
		in.lose(place, w.Finding, "%s", complaint(err))
		return
	}
	w.ID = newID(in.taken, append([]string{w.Finding}, parts...)...)
	in.result.Waivers = append(in.result.Waivers, w)
	in.result.Losses = append(in.result.Losses, in.kept...)
	in.kept = nil
}

// complaint is what the parser says, without a place in a file that nobody sees.
func complaint(err error) string {
	var parse *policy.ParseError
	if !errors.As(err, &parse) || len(parse.Diagnostics) == 0 {
		return "a waiver cannot say it"
	}
	d := parse.Diagnostics[0]
	if d.Hint != "" {
		return d.Message + " (" + d.Hint + ")"
	}
	return d.Message
}

// lastDay makes an inclusive day of the moment from which an entry does not hold any
// more. A part of a day is not a day.
func lastDay(end time.Time) time.Time {
	return end.UTC().Truncate(24*time.Hour).AddDate(0, 0, -1)
}

// field is one pair of a YAML mapping.
type field struct {
	key   string
	line  int
	value *yaml.Node
}

func fields(n *yaml.Node) []field {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	var out []field
	for i := 0; i+1 < len(n.Content); i += 2 {
		out = append(out, field{n.Content[i].Value, n.Content[i].Line, n.Content[i+1]})
	}
	return out
}

// yaml reads one YAML mapping and hands it on as it is written: aliases are not followed.
func (in *importer) yaml(data []byte, read func(*yaml.Node)) error {
	doc, second, err := yamldoc.Decode(data)
	if doc == nil && err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if doc == nil || doc.Content[0].Kind != yaml.MappingNode {
		return errors.New("it is no YAML mapping")
	}
	if err := once(doc); err != nil {
		return err
	}
	read(doc.Content[0])
	if second != nil || err != nil {
		at := 1
		if second != nil {
			at = second.Line
		}
		in.lose(line(at), "", "what follows the first YAML document is not read, by the other tool neither")
	}
	return nil
}

// once refuses keys that a mapping has twice, as the other tools do: which of the two
// holds nobody can tell.
func once(n *yaml.Node) error {
	seen := map[string]bool{}
	for _, f := range fields(n) {
		if seen[f.key] {
			return fmt.Errorf("line %d: the key %q stands twice in one mapping", f.line, f.key)
		}
		seen[f.key] = true
	}
	for _, c := range n.Content {
		if err := once(c); err != nil {
			return err
		}
	}
	return nil
}

// text is the value of a scalar; ok is false for anything else.
func text(n *yaml.Node) (string, bool) {
	if n == nil || n.Kind != yaml.ScalarNode {
		return "", false
	}
	if n.Tag == "!!null" {
		return "", true
	}
	return strings.TrimSpace(n.Value), true
}

// texts is the value of a list of scalars.
func texts(n *yaml.Node) ([]string, bool) {
	if n == nil || n.Kind != yaml.SequenceNode {
		s, ok := text(n)
		return nil, ok && s == ""
	}
	var out []string
	for _, c := range n.Content {
		s, ok := text(c)
		if !ok || s == "" {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

func line(n int) string { return fmt.Sprintf("line %d", n) }
